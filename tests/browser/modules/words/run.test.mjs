/** A run's state and end in words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { outcome, reasonOf, stateLabel } from "../../js/words/run.js";

const RUNNING = { state: "running", exitcode: null, signal: null, reason: null };

test("a state is a word", () => {
  assert.deepEqual(["timed_out", "paused", "of a later version"].map(stateLabel), ["Timed out", "Paused", "of a later version"]);
});

test("exit codes and signals are distinguished", () => {
  assert.equal(outcome({ ...RUNNING, exitcode: 0 }), "");
  assert.equal(outcome({ ...RUNNING, state: "failed", exitcode: 137 }), "exit code 137");
  assert.equal(outcome({ ...RUNNING, state: "failed", signal: "SIGKILL" }), "SIGKILL");
  assert.equal(outcome({ ...RUNNING, state: "lost" }), "");
});

test("a reason is a sentence", () => {
  assert.equal(reasonOf(RUNNING), "");
  assert.equal(reasonOf({ ...RUNNING, reason: "it was stopped while queued" }), "It was stopped while queued.");
  assert.equal(reasonOf({ ...RUNNING, reason: "Enough." }), "Enough.");
});

