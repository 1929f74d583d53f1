/** What a run's fields mean. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { elapsed, firstLine, shownState } from "../../js/model/run.js";

const RUNNING = { state: "running", stopping: false, paused: false, exitcode: null, signal: null, reason: null };

test("an active run is shown by what becomes of it", () => {
  assert.equal(shownState(RUNNING), "running");
  assert.equal(shownState({ ...RUNNING, paused: true }), "paused");
  assert.equal(shownState({ ...RUNNING, paused: true, stopping: true }), "stopping");
});

test("a finished run is neither paused nor stopping", () => {
  assert.equal(shownState({ ...RUNNING, state: "stopped", paused: true, stopping: true }), "stopped");
});

test("a queued run waits since it was asked for, another runs since it started", () => {
  const times = { created_at: "2026-01-01T00:00:00Z", start_time: "2026-01-01T00:00:10Z", end_time: null };
  const now = Date.parse("2026-01-01T00:00:15Z");
  assert.equal(elapsed({ ...RUNNING, ...times, state: "queued" }, now), 15_000);
  assert.equal(elapsed({ ...RUNNING, ...times }, now), 5000);
  assert.equal(elapsed({ ...RUNNING, ...times, state: "failed", end_time: "2026-01-01T00:00:12Z" }, now), 2000);
});

test("a script is named by the first line that does something", () => {
  assert.equal(firstLine("#!/bin/sh\n\n  # about\n  make all\n"), "make all");
  assert.equal(firstLine("# nothing else"), "# nothing else");
});
