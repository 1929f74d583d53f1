/** The last runs of a command as bars. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stripOf } from "../../js/model/strip.js";

const START = Date.UTC(2026, 0, 2);
const iso = (time) => new Date(time).toISOString();
const run = (id, seconds, state = "succeeded") => ({
  id: String(id),
  state,
  created_at: iso(START),
  start_time: iso(START),
  end_time: ["queued", "running"].includes(state) ? null : iso(START + 1000 * seconds),
});
const rounded = (bars) => bars.map(({ height }) => Number(height.toFixed(2)));

test("bars are as high as runs took long, the newest last", () => {
  const { bars, usual, top } = stripOf([run(3, 4), run(2, 1), run(1, 2)], START);
  assert.deepEqual(rounded(bars), [0.5, 0.25, 1]);
  assert.deepEqual([usual, top, bars.at(-1).run.id], [2000, 4000, "3"]);
});

test("one that took a hundred times as long is cut, so that the others are seen", () => {
  const { bars, top } = stripOf([run(0, 1000), ...Array.from({ length: 49 }, (_, n) => run(n + 1, 10))], START);
  assert.deepEqual([bars.at(-1).height, bars.at(-1).isCut, bars.at(-1).isSlow], [1, true, true]);
  assert.deepEqual([bars[0].height.toFixed(2), bars[0].isCut, bars[0].isSlow, top], ["0.33", false, false, 30_000]);
});

test("what is usual is the median of those that succeeded, of three ends at least", () => {
  const failures = [run(1, 0, "failed"), run(2, 0, "failed"), run(3, 0, "failed"), run(4, 0, "failed")];
  assert.equal(stripOf([run(5, 8), run(6, 9), run(7, 10), run(8, 11), ...failures], START).usual, 9500);
  assert.equal(stripOf([run(5, 8), run(6, 9), ...failures], START).usual, 0);
  assert.equal(stripOf([run(5, 8), run(6, 9)], START).usual, null);
});

test("one that goes on grows, and is slower than usual once it is; short runs vary by chance", () => {
  const before = [run(1, 2), run(2, 2), run(3, 2)];
  const at = (seconds) => stripOf([run(4, 0, "running"), ...before], START + 1000 * seconds).bars.at(-1);
  assert.deepEqual([at(1).ms, at(1).isSlow, at(4).isSlow, at(9).isCut], [1000, false, true, true]);
  assert.equal(at(1).height, 0.5);
  assert.equal(stripOf([run(4, 0.9), run(1, 0.1), run(2, 0.1), run(3, 0.1)], START).bars.at(-1).isSlow, false);
});

test("none, one and fifty; what has not begun, or is not known to have ended, took nothing", () => {
  assert.deepEqual(stripOf([], START), { bars: [], usual: null, top: 1 });
  assert.deepEqual(rounded(stripOf([run(1, 0, "queued")], START + 5000).bars), [0]);
  assert.deepEqual(rounded(stripOf([{ ...run(1, 0, "lost"), end_time: null }], START + 5000).bars), [0]);
  assert.equal(stripOf(Array.from({ length: 120 }, (_, n) => run(n, 1)), START).bars.length, 50);
});
