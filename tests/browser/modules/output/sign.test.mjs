/** The state of a run's stream in one line: it never says more than is known. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { signOf } from "../../js/output/sign.js";

const RUN = { state: "running", output_bytes: 206, output_lines: 3 };
const KNOWN = { next: 206, size: 206, lineCount: 3, following: true, lateFrom: null };
const sign = (state, { lost = false, run = RUN } = {}) =>
  signOf({ run, state: { ...KNOWN, ...state }, lost, now: 100_000 });

test("a frame within the last ten seconds means live", () => {
  assert.deepEqual(sign({ kind: "live", heardAt: 91_000 }), { kind: "live", text: "Live, 206 B" });
});

test("silence is reported with its duration", () => {
  const silent = { kind: "silent", text: "No word for 12 s, at 206 B" };
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

test("what had been written a second ago and is not shown makes it late, nothing else", () => {
  const stream = { kind: "live", heardAt: 99_900, size: 3_200_206 };
  assert.deepEqual(sign({ ...stream, lateFrom: 99_000 }), { kind: "behind", text: "3.2 MB behind" });
  assert.equal(sign({ ...stream, lateFrom: 100_500 }).text, "Live, 206 B");
  assert.equal(sign({ ...stream, following: false }).text, "Not following, 206 B");
});

test("a stream of a run whose host is away is not live, once that is so, until it has ended", () => {
  const stream = { kind: "live", heardAt: 99_900 };
  const away = { ...RUN, away_since: "2026-11-26T03:00:00Z" };
  assert.deepEqual(sign(stream, { run: away }), { kind: "away", text: "The host is away, at 206 B" });
  assert.equal(sign(stream, { run: { ...away, state: "lost" } }).kind, "live");
});
