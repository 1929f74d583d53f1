import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, linesOf } from "../../js/difference/difference.js";
import { blocksOf, changesOf, rowCount, rowsIn } from "../../js/difference/rows.js";

const numbered = (count) => Array.from({ length: count }, (_, i) => `line ${i + 1}`);

function drawn(before, after, { opened = [], from = 0, to = 1000 } = {}) {
  const { stretches } = difference(before.join("\n"), after.join("\n"));
  const blocks = blocksOf(stretches, new Set(opened));
  return { blocks, rows: rowsIn(blocks, from, to, { before, after }) };
}

test("what is the same is a bar, but for the lines around what differs", () => {
  const before = numbered(20);
  const { blocks, rows } = drawn(before, before.with(9, "changed"));
  assert.equal(rowCount(blocks), rows.length);
  assert.deepEqual(
    rows.map(({ kind, left, right, count, text }) => [kind, left, right, count ?? text]),
    [
      ["bar", 1, 1, 6],
      ...[7, 8, 9].map((number) => ["same", number, number, `line ${number}`]),
      ["gone", 10, null, "line 10"],
      ["added", null, 10, "changed"],
      ...[11, 12, 13].map((number) => ["same", number, number, `line ${number}`]),
      ["bar", 14, 14, 7],
    ],
  );
});

test("a bar that is opened is followed by its lines", () => {
  const before = numbered(20);
  const { rows } = drawn(before, before.with(9, "changed"), { opened: [14] });
  assert.deepEqual(rows.slice(9).map(({ kind, text }) => text ?? kind), ["bar", ...before.slice(13)]);
  assert.equal(rows[9].open, true);
});

test("a single line is not left out", () => {
  const before = numbered(5);
  const { rows } = drawn(before, before.with(4, "changed"));
  assert.deepEqual(rows.map(({ kind }) => kind), ["same", "same", "same", "same", "gone", "added"]);
});

test("rows are made for a page alone, and are the same as those of the whole", () => {
  const before = numbered(5000);
  const after = before.map((line, i) => (i % 7 ? line : `changed ${i}`));
  const { blocks, rows } = drawn(before, after, { to: 20_000 });
  assert.deepEqual(rowsIn(blocks, 500, 1000, { before, after }), rows.slice(500, 1000));
  assert.deepEqual(rows.map(({ index }) => index), rows.map((_, i) => i));
});

test("a change begins where something else begins to differ", () => {
  const before = numbered(30);
  const after = before.with(4, "changed").toSpliced(20, 1);
  const { blocks, rows } = drawn(before, after);
  assert.deepEqual(changesOf(blocks).map((index) => rows[index].left), [5, 21]);
});

test("the text of a row is bounded", () => {
  const { rows } = drawn([], ["x".repeat(10_000)]);
  assert.equal(rows[0].text.length, 2001);
  assert.deepEqual(linesOf("a\nb\n"), ["a", "b"]);
});
