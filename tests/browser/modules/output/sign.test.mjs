/** The state of a run's stream in one line: it never says more than is known. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { signOf } from "../../js/output/sign.js";
import { WATCH_START } from "../../js/output/start.js";

const RUN = { state: "running", output_bytes: 206, output_lines: 3 };
const sign = (stream, { lost = false, run = RUN } = {}) =>
  signOf({ run, state: { ...WATCH_START, stream, next: 206 }, lost, now: 100_000 });

test("a frame within the last ten seconds means live", () => {
  assert.deepEqual(sign({ kind: "live", heardAt: 91_000 }), { kind: "live", text: "Live, 206 B" });
});

test("silence is reported with its duration", () => {
  const silent = { kind: "silent", text: "Nothing received for 12 s, at 206 B" };
  assert.deepEqual(sign({ kind: "live", heardAt: 88_000 }), silent);
  assert.deepEqual(sign({ kind: "reconnecting", heardAt: 88_000 }), silent);
});

test("a stream of a server that does not answer is not live", () => {
  const stream = { kind: "live", heardAt: 99_000 };
  assert.equal(sign(stream, { lost: true }).text, "Reconnecting… will resume at 206 B");
});

test("what is refused, deleted or has ended is not waited for", () => {
  assert.equal(sign({ kind: "refused", heardAt: 0 }).text, "Refused, at 206 B. Trying again…");
  assert.equal(sign({ kind: "refused", final: true, heardAt: 0 }).text, "Refused, at 206 B");
  assert.equal(sign({ kind: "deleted", heardAt: 0 }).text, "Deleted");
  assert.equal(sign({ kind: "ended", heardAt: 0 }, { lost: true }).text, "206 B, 3 lines");
});
