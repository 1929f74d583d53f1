/** What a command says of its runs' ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isChosen, notifyFrom, retriesFrom, sameEnds } from "../../js/model/ends.js";

const TEXTS = { limit: "3", delay_seconds: "0.5", backoff: "2", exit_codes: "" };

test("retries are read as numbers, and what is none is left to the server", () => {
  const read = { limit: 3, delay_seconds: 0.5, backoff: 2, on: ["lost"] };
  assert.deepEqual(retriesFrom(TEXTS, ["lost"]), { ...read, exit_codes: [] });
  assert.deepEqual(retriesFrom({ ...TEXTS, exit_codes: " 75,111; x " }, ["lost"]).exit_codes, [75, 111, "x"]);
  assert.equal(retriesFrom({ ...TEXTS, limit: "often" }, []).limit, "often");
  assert.equal(retriesFrom({ ...TEXTS, limit: " " }, ["lost"]), null);
});

test("a target is told of all that is chosen for it", () => {
  const notify = notifyFrom([["chat", "failed"], ["mail", "late"], ["chat", "recovered"]]);
  assert.deepEqual(notify, [{ target: "chat", on: ["failed", "recovered"] }, { target: "mail", on: ["late"] }]);
  assert.equal(notifyFrom([]), null);
  assert.deepEqual(["failed", "late"].map((occasion) => isChosen(notify)("chat", occasion)), [true, false]);
});

test("the order and what goes without saying make no difference", () => {
  const one = { retries: { limit: 1, delay_seconds: 60, backoff: 2, on: ["lost", "failed", "timed_out"], exit_codes: [] } };
  assert.ok(sameEnds(one, { retries: { limit: 1 }, notify: null }));
  assert.ok(!sameEnds(one, { retries: { limit: 2 } }));
  assert.ok(!sameEnds(one, {}));
  const both = [{ target: "a", on: ["late", "failed"] }, { target: "b", on: ["long"] }];
  assert.ok(sameEnds({ notify: both }, { notify: [both[1], { target: "a", on: ["failed", "late"] }] }));
  assert.ok(!sameEnds({ notify: both }, { notify: [both[0]] }));
  assert.ok(sameEnds({ notify: [] }, { retries: null }));
});
