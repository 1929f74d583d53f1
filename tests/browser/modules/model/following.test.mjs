/** What follows a run's end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAboutToBeTold, isDueLater, mayBeRetried, mayBeTold, mostAttempts } from "../../js/model/following.js";

const END = Date.parse("2026-01-01T00:00:00Z");
const failed = { state: "failed", attempt: 1, end_time: "2026-01-01T00:00:00Z", not_before: null };
const retried = { retries: { limit: 2 } };
const telling = (...on) => ({ notify: [{ target: "chat", on }] });

test("an attempt after it is looked for where there can be one", () => {
  assert.ok(mayBeRetried(failed, retried));
  assert.ok(mayBeRetried({ ...failed, attempt: 2 }, undefined));
  assert.ok(!mayBeRetried(failed, {}));
  assert.ok(!mayBeRetried({ ...failed, state: "stopped" }, retried));
});

test("the command says how many attempts there are, while it still says so", () => {
  assert.equal(mostAttempts(failed, retried), 3);
  assert.equal(mostAttempts({ ...failed, attempt: 4 }, retried), null);
  assert.equal(mostAttempts(failed, undefined), null);
});

test("notifications are asked for where there can be any", () => {
  assert.ok(mayBeTold(failed, telling("succeeded")));
  assert.ok(!mayBeTold(failed, {}));
  assert.ok(!mayBeTold({ ...failed, state: "running" }, telling("failed")));
  assert.ok(mayBeTold({ ...failed, state: "running" }, telling("failed", "long")));
});

test("what is to be told of an end is waited for a while, where it is wanted", () => {
  assert.ok(isAboutToBeTold(failed, telling("failed"), END + 1000));
  assert.ok(!isAboutToBeTold(failed, telling("failed"), END + 60_000));
  assert.ok(!isAboutToBeTold(failed, telling("recovered"), END + 1000));
  assert.ok(isAboutToBeTold({ ...failed, state: "succeeded" }, telling("recovered"), END + 1000));
});

test("a run is due later until its time has come", () => {
  const waits = { ...failed, state: "queued", not_before: "2026-01-01T00:00:10Z" };
  assert.deepEqual([0, 20_000].map((ms) => isDueLater(waits, END + ms)), [true, false]);
  assert.ok(!isDueLater({ ...waits, state: "stopped" }, END));
});
