/** What a change does to what is shown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { changedCommand, changedCommands, changedRun, changedRuns, GONE, hasWords, RELOAD } from "../../js/model/changes.js";

const COMMAND = { id: "c", name: "one", group: "default" };
const run = (id, minute, more = {}) => ({
  id,
  command_id: "c",
  command: COMMAND,
  created_at: `2026-01-01T00:0${minute}:00+00:00`,
  state: "running",
  output_bytes: 0,
  ...more,
});
const all = () => true;
const ids = (list) => list.items.map(({ id }) => id).join("");

test("a run is put into its place, newest first, once", () => {
  let list = { items: [run("d", 4), run("b", 2)], next: null };
  for (const one of [run("c", 3), run("e", 5), run("a", 1), run("c", 3)]) {
    list = changedRuns(list, { type: "run", run: one }, all);
  }
  assert.equal(ids(list), "edcba");
  const ended = run("c", 3, { state: "failed" });
  list = changedRuns(list, { type: "run", run: ended }, all);
  assert.equal(list.items[2], ended);
});

test("of those made at the same moment the higher id is the first", () => {
  const list = { items: [run("d", 4), run("b", 4)], next: null };
  assert.equal(ids(changedRuns(list, { type: "run", run: run("c", 4) }, all)), "dcb");
});

test("a run behind the last that was loaded is left to the next page", () => {
  const list = { items: [run("d", 4), run("b", 2)], next: "more" };
  assert.equal(ids(changedRuns(list, { type: "run", run: run("a", 1) }, all)), "db");
  const ended = run("b", 2, { state: "failed" });
  assert.equal(changedRuns(list, { type: "run", run: ended }, all).items[1], ended);
});

test("a run that does not belong there any more goes", () => {
  const list = { items: [run("b", 2)], next: null };
  const goesOn = ({ state }) => state === "running";
  assert.equal(ids(changedRuns(list, { type: "run", run: run("b", 2, { state: "failed" }) }, goesOn)), "");
  assert.equal(changedRuns(list, { type: "run", run: run("x", 2, { state: "failed" }) }, goesOn), list);
});

test("what is deleted goes, a command with its runs", () => {
  const list = { items: [run("b", 2), run("a", 1, { command_id: "d" })], next: null };
  assert.equal(ids(changedRuns(list, { type: "run-deleted", id: "b" }, all)), "a");
  assert.equal(ids(changedRuns(list, { type: "command-deleted", id: "c" }, all)), "a");
  assert.equal(changedRuns(list, { type: "run-deleted", id: "x" }, all), list);
});

test("a command's name is that of its runs, and sizes only grow", () => {
  const list = { items: [run("b", 2)], next: null };
  const renamed = changedRuns(list, { type: "command", command: { ...COMMAND, name: "two", script: "x" } }, all);
  assert.deepEqual(renamed.items[0].command, { ...COMMAND, name: "two" });
  assert.equal(changedRuns(list, { type: "command", command: COMMAND }, all), list);
  const grown = changedRuns(list, { type: "output-bytes", runs: [{ id: "b", output_bytes: 7 }] }, all);
  assert.equal(grown.items[0].output_bytes, 7);
  assert.equal(changedRuns(grown, { type: "output-bytes", runs: [{ id: "b", output_bytes: 5 }] }, all), grown);
});

test("a command has its newest run", () => {
  const list = { items: [{ ...COMMAND, created_at: "2026-01-01T00:00:00Z", last_run: run("b", 2) }], next: null };
  const told = (one) => changedCommands(list, { type: "run", run: one }, all).items[0].last_run.id;
  assert.deepEqual([told(run("a", 1)), told(run("b", 2)), told(run("d", 3))], ["b", "b", "d"]);
  assert.equal(changedCommands(list, { type: "run-deleted", id: "b", command_id: "c" }, all), RELOAD);
  assert.equal(changedCommands(list, { type: "run-deleted", id: "a", command_id: "c" }, all), list);
  assert.equal(ids(changedCommands(list, { type: "command-deleted", id: "c" }, all)), "");
  const other = { ...COMMAND, id: "d", created_at: "2026-01-01T00:05:00Z", last_run: null };
  assert.equal(ids(changedCommands(list, { type: "command", command: other }, all)), "dc");
  assert.equal(ids(changedCommands(list, { type: "command", command: other }, () => false)), "c");
  assert.equal(changedCommands(list, { type: "output-bytes", runs: [] }, all), list);
});

test("one command is loaded again, as it was told in part; what is deleted is gone", () => {
  assert.equal(changedCommand(COMMAND, { type: "command", command: COMMAND }), RELOAD);
  assert.equal(changedCommand(COMMAND, { type: "command-deleted", id: "c" }), GONE);
  assert.equal(changedCommand(COMMAND, { type: "run", run: run("a", 1) }), COMMAND);
  const one = run("a", 1);
  const ended = run("a", 1, { state: "failed" });
  assert.equal(changedRun(one, { type: "run", run: ended }), ended);
  assert.equal(changedRun(one, { type: "run", run: run("b", 1) }), one);
  assert.equal(changedRun(one, { type: "output-bytes", runs: [] }), one);
  assert.equal(changedRun(one, { type: "run-deleted", id: "a" }), GONE);
  assert.equal(changedRun(one, { type: "command-deleted", id: "c" }), GONE);
});

test("words are found in their order, in whatever case", () => {
  assert.ok(hasWords("The Disk is Full", "disk full"));
  assert.ok(hasWords("anything", "  "));
  assert.ok(!hasWords("the disk is full", "full disk"));
});

test("what hangs on how workers stand is read anew when that changes", () => {
  const [here, waits, elsewhere] = [{ id: "1" }, { id: "2", pool: "build" }, { id: "3", host_name: "build-1" }];
  const change = { type: "workers" };
  for (const run of [waits, elsewhere]) {
    assert.equal(changedRun(run, change), RELOAD);
    assert.equal(changedRuns({ items: [here, run], next: null }, change, () => true), RELOAD);
  }
  for (const run of [here, { ...waits, end_time: "2026-11-26T03:00:00Z" }]) {
    const list = { items: [run], next: null };
    assert.equal(changedRun(run, change), run);
    assert.equal(changedRuns(list, change, () => true), list);
  }
});
