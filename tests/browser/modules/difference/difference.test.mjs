import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, MOST_ROWS } from "../../js/difference/difference.js";
import { keyOf, shownOf } from "../../js/difference/folding.js";

const numbered = (count) => Array.from({ length: count }, (_, i) => `line ${i + 1}`);

test("a changed line is gone and added, with what is around it and the rest left out", () => {
  const before = numbered(20);
  const after = before.with(9, "changed").concat("at the end");
  const { rows, gone, added, rough, cut } = difference(before.join("\n"), after.join("\n"));
  assert.deepEqual([gone, added, rough, cut], [1, 2, false, false]);
  assert.deepEqual(rows[0], { kind: "skipped", count: 6 });
  assert.deepEqual(rows[4], { kind: "gone", left: 10, right: null, text: "line 10" });
  assert.deepEqual(rows[5], { kind: "added", left: null, right: 10, text: "changed" });
  assert.deepEqual(rows[6], { kind: "same", left: 11, right: 11, text: "line 11" });
  assert.deepEqual(rows.at(-1), { kind: "added", left: null, right: 21, text: "at the end" });
});

test("what is the same has no rows but one that says so", () => {
  assert.deepEqual(difference("a\nb\n", "a\nb").rows, [{ kind: "skipped", count: 2 }]);
  assert.deepEqual(difference("", "").rows, []);
});

test("times and digits count as the same where that is chosen", () => {
  const [one, other] = ["2026-11-26T11:20:01.5Z took 1.5 s, 3 files", "2026-11-27T09:00:00Z took 20 s, 4 files"];
  assert.equal(difference(one, other).gone, 1);
  assert.equal(difference(one, other, { times: true }).gone, 1);
  assert.equal(difference(one, other, { times: true, digits: true }).gone, 0);
  for (const time of ["Nov  6 11:20:01", "26/Nov/2026:11:20:01 +0000", "11:20", "12 ms", "2026/11/26 11:20:01"]) {
    assert.equal(keyOf(`at ${time}!`, { times: true }), "at \u0001!", time);
  }
  assert.equal(keyOf("10 files", { times: true }), "10 files");
});

test("a line is compared as it is seen: without colours, and what was written over is gone", () => {
  assert.equal(shownOf("\x1b[1;31mred\x1b[0m\x1b]0;title\x07 text\r"), "red text");
  assert.equal(shownOf("10 %\r50 %\rdone"), "done");
});

test("what differs in too much is told as such: the lines that the other has nowhere", () => {
  const [left, right] = [["a", "x", "b"], ["y", "b", "a"]].map((lines) => lines.join("\n"));
  const { rows, rough } = difference(left, right, {}, { maxEditLength: 1 });
  assert.equal(rough, true);
  assert.deepEqual(rows, [
    { kind: "gone", left: 2, right: null, text: "x" },
    { kind: "added", left: null, right: 1, text: "y" },
  ]);
});

test("rows and their text are bounded", () => {
  const many = difference("", numbered(MOST_ROWS + 1).join("\n"));
  assert.deepEqual([many.rows.length, many.added, many.cut], [MOST_ROWS, MOST_ROWS + 1, true]);
  assert.equal(difference("", "x".repeat(10_000)).rows[0].text.length, 2001);
});
