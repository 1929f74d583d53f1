/** Which commands are listed, as the address says it, and which of them come first. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RELOAD } from "../../js/model/changes.js";
import { belongs, changedShelf, filterOf, inOrder } from "../../js/model/command_filter.js";

const run = (state, command_id, more = {}) => ({
  id: `run of ${command_id}`,
  command_id,
  state,
  created_at: "2026-01-02T00:00:00Z",
  command: { id: command_id, name: command_id, group: "default" },
  ...more,
});
const command = (id, day, last = null, more = {}) => ({
  id,
  name: id,
  description: null,
  group: "default",
  created_at: `2026-01-0${day}T00:00:00Z`,
  last_run: last && run(last, id),
  ...more,
});
const names = (commands) => commands.map(({ id }) => id).join(" ");

test("the address names what is asked for; what is no state is none", () => {
  const filter = filterOf(new URLSearchParams("state=lost,asleep,failed&q=disk+full&group=&colour=red"));
  assert.deepEqual(filter, { state: "failed,lost", q: "disk full" });
  assert.deepEqual(filterOf(new URLSearchParams("state=asleep&group=web")), { group: "web" });
});

test("a command belongs where the server would list it", () => {
  const one = command("Rotate keys", 1, "failed", { group: "web", description: "yearly" });
  assert.ok(belongs({})(one));
  assert.ok(belongs({ q: "keys year", group: "web", state: "failed,lost" })(one));
  for (const other of [{ q: "year keys" }, { group: "default" }, { state: "succeeded" }]) assert.ok(!belongs(other)(one));
  assert.ok(!belongs({ state: "failed" })(command("never run", 1)));
});

test("favourites come first, wherever they stand, and once, where they are like what is asked for", () => {
  const far = command("far", 1, "failed");
  const shelf = { items: [command("d", 5), command("c", 4, "failed"), command("b", 3)], next: "x", favourites: [far] };
  assert.equal(names(inOrder(shelf, {}, ["far", "b"])), "b far d c");
  assert.equal(names(inOrder(shelf, {}, [])), "d c b");
  const failed = { ...shelf, items: [shelf.items[1]] };
  assert.equal(names(inOrder(failed, { state: "failed" }, ["far", "c"])), "c far");
  assert.equal(names(inOrder(failed, { q: "c" }, ["far"])), "c");
});

test("a change reaches a favourite that is not listed, and those that are", () => {
  const shelf = { items: [command("d", 5)], next: "x", favourites: [command("far", 1, "running")] };
  const ended = changedShelf(shelf, { type: "run", run: run("failed", "far") }, {}, ["far"]);
  assert.equal(ended.favourites[0].last_run.state, "failed");
  assert.equal(ended.items, shelf.items);
  const gone = changedShelf(shelf, { type: "command-deleted", id: "far" }, {}, ["far"]);
  assert.deepEqual([gone.favourites, gone.next], [[], "x"]);
  assert.equal(changedShelf(shelf, { type: "run", run: run("failed", "unknown") }, {}, ["far"]), shelf);
});

test("a run may bring its command into a list by state, which is loaded again for that", () => {
  const shelf = { items: [], next: null, favourites: [] };
  const brought = (filter, state) => changedShelf(shelf, { type: "run", run: run(state, "one") }, filter, []);
  assert.equal(brought({ state: "failed" }, "failed"), RELOAD);
  assert.equal(brought({ state: "failed", group: "default" }, "failed"), RELOAD);
  assert.equal(brought({ state: "failed" }, "running"), shelf);
  assert.equal(brought({ state: "failed", group: "web" }, "failed"), shelf);
});
