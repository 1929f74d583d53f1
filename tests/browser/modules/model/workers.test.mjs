import assert from "node:assert/strict";
import { test } from "node:test";
import { RELOAD } from "../../js/model/changes.js";
import { byHost, changedFleet, enrolment, names, ofPool } from "../../js/model/workers.js";

const worker = (id, state, ...pools) => ({ id, state, pools });

test("a pool is served by whoever is of it and was not removed", () => {
  const all = [worker("a", "active", "x"), worker("b", "unreachable", "x", "y"), worker("c", "removed", "x")];
  assert.deepEqual(ofPool(all, "x").map(({ id }) => id), ["a", "b"]);
  assert.deepEqual(ofPool(all, "z"), []);
});

test("workers and pools are read anew where the events say so, and not else", () => {
  const fleet = { items: [], pools: [] };
  assert.equal(changedFleet(fleet, { type: "workers" }), RELOAD);
  assert.equal(changedFleet(fleet, { type: "pools" }), RELOAD);
  assert.equal(changedFleet(fleet, { type: "run", run: {} }), fleet);
});

test("runs stand with the host that has them", () => {
  const runs = [{ id: "1", host: "a" }, { id: "2", host: null }, { id: "3", host: "a" }, { id: "4", host: "b" }];
  const ids = [...byHost(runs)].map(([host, some]) => [host, some.map(({ id }) => id)]);
  assert.deepEqual(ids, [["a", ["1", "3"]], ["b", ["4"]]]);
});

test("names are separated by commas and spaces", () => {
  assert.deepEqual(names(" a, b c,,d "), ["a", "b", "c", "d"]);
  assert.deepEqual(names(" "), []);
});

test("what is pasted names the server as the page is reached, wherever that stands", () => {
  const at = (address) => enrolment(address, "T").split(" ")[6];
  assert.equal(at("https://tailrun.example/"), "https://tailrun.example");
  assert.equal(at("https://example.org/tools/tailrun/"), "https://example.org/tools/tailrun");
  assert.equal(at("http://localhost:8000/"), "http://localhost:8000");
  assert.match(enrolment("http://h/", "T"), /^echo T \| .+ --token - && tailrun worker$/);
});
