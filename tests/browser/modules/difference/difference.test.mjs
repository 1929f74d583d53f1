import assert from "node:assert/strict";
import { test } from "node:test";
import { difference } from "../../js/difference/difference.js";
import { keyOf, shownOf } from "../../js/difference/folding.js";

const numbered = (count) => Array.from({ length: count }, (_, i) => `line ${i + 1}`);
const told = (stretches) => stretches.map(({ kind, left, right, count }) => [kind, left, right, count]);

test("a changed line is gone and added, between what is the same", () => {
  const before = numbered(20);
  const after = before.with(9, "changed").concat("at the end");
  const { stretches, gone, added, rough } = difference(before.join("\n"), after.join("\n"));
  assert.deepEqual([gone, added, rough], [1, 2, false]);
  assert.deepEqual(told(stretches), [
    ["same", 1, 1, 9],
    ["gone", 10, null, 1],
    ["added", null, 10, 1],
    ["same", 11, 11, 10],
    ["added", null, 21, 1],
  ]);
});

test("what is the same is one stretch, and a newline at the end is no line", () => {
  assert.deepEqual(told(difference("a\nb\n", "a\nb").stretches), [["same", 1, 1, 2]]);
  assert.deepEqual(told(difference("a\n\n", "a\n").stretches), [["same", 1, 1, 1], ["gone", 2, null, 1]]);
  assert.deepEqual(difference("", "").stretches, []);
});

test("both texts can be made of their difference, and as much as may be is the same", () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 300; round += 1) {
    const [before, after] = [0, 1].map(() => Array.from({ length: random(12) }, () => "abcdxyz"[random(7)]));
    const { stretches, gone, added } = difference(before.join("\n"), after.join("\n"));
    const made = (kind, side, from) =>
      stretches.flatMap((each) =>
        each.kind === kind || each.kind === "same" ? from.slice(each[side] - 1, each[side] - 1 + each.count) : [],
      );
    assert.deepEqual(made("gone", "left", before), before);
    assert.deepEqual(made("added", "right", after), after);
    const same = stretches.filter(({ kind }) => kind === "same");
    for (const { left, right, count } of same) {
      assert.deepEqual(before.slice(left - 1, left - 1 + count), after.slice(right - 1, right - 1 + count));
    }
    assert.equal(gone + added, before.length + after.length - 2 * longestCommon(before, after));
  }
});

/** By the book: a table of all prefixes. */
function longestCommon(one, other) {
  const rows = [new Array(other.length + 1).fill(0)];
  one.forEach((line, i) => {
    rows.push([0]);
    other.forEach((each, j) => {
      rows[i + 1].push(line === each ? rows[i][j] + 1 : Math.max(rows[i][j + 1], rows[i + 1][j]));
    });
  });
  return rows.at(-1).at(-1);
}

test("lines that the other has nowhere cost nothing to line up", () => {
  const [one, other] = ["one", "other"].map((name) => numbered(20_000).map((line) => `${name} ${line}`));
  const { gone, added, rough } = difference(["same", ...one, "end"].join("\n"), ["same", ...other, "end"].join("\n"), {}, {
    maxEditLength: 1,
  });
  assert.deepEqual([gone, added, rough], [20_000, 20_000, false]);
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

test("no line is so made that looking for times in it takes for ever", () => {
  const lines = ["1", "1.", "\x1b[1;", "Jan ", "12:", "\r"].map((part) => part.repeat(2_000_000 / part.length));
  for (const line of lines) assert.ok(keyOf(shownOf(line), { times: true, digits: true }).length <= line.length);
});

test("a line is compared as it is seen: without colours, and what was written over is gone", () => {
  assert.equal(shownOf("\x1b[1;31mred\x1b[0m\x1b]0;title\x07 text\r"), "red text");
  assert.equal(shownOf("10 %\r50 %\rdone"), "done");
});

test("what differs in too much is told as such: the lines that the other has nowhere", () => {
  const [left, right] = [["a", "x", "b"], ["y", "b", "a"]].map((lines) => lines.join("\n"));
  const { stretches, rough } = difference(left, right, {}, { maxEditLength: 1 });
  assert.equal(rough, true);
  assert.deepEqual(told(stretches), [["gone", 2, null, 1], ["added", null, 1, 1]]);
});
