/** The live end as rows: bounded, in turns, whatever the pieces are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Screen } from "../../../js/output/terminal/screen.js";
import { PlainScreen } from "../../../js/output/terminal/plain.js";

/** @param {string[]} pieces @returns {import("../../../js/model/types.js").OutputFrame[]} */
function frames(...pieces) {
  let [offset, line] = [0, 1];
  return pieces.map((text) => {
    const frame = { offset, next: offset + text.length, line, text };
    offset += text.length;
    line += text.split("\n").length - 1;
    return frame;
  });
}

async function screenOf(pieces, options) {
  const screen = new Screen(options);
  for (const frame of frames(...pieces)) screen.write(frame);
  await screen.shown;
  return screen;
}

const textOf = ({ spans }) => spans.map(({ text }) => text).join("");
const all = (screen) => screen.rows(0, screen.count);
const told = (screen) => all(screen).map((row) => [row.number, textOf(row)]);

test("plain lines are rows, and no terminal is made for them", async () => {
  const screen = await screenOf(["a\nb", "c\r\n\n", "d"]);
  assert.ok(screen.drawn instanceof PlainScreen);
  assert.deepEqual(told(screen), [
    [1, "a"],
    [2, "bc"],
    [3, ""],
    [4, "d"],
  ]);
  assert.deepEqual(
    all(screen).map(({ whole }) => whole),
    [true, true, true, false],
  );
});

test("the first control byte is as if a terminal had been there from the start", async () => {
  const plain = Array.from({ length: 100 }, (_, i) => `line ${i + 1}\n`);
  const screen = await screenOf([...plain, "ab", "\rX\n", "\x1b[23Atop\n"]);
  const rows = told(screen);
  assert.deepEqual(
    [0, 77, 78, 79, 100].map((index) => rows[index]),
    [
      [1, "line 1"],
      [78, "line 78"],
      [79, "tope 79"],
      [80, "line 80"],
      [101, "Xb"],
    ],
  );
});

test("a return at the end of a piece returns once more comes", async () => {
  assert.deepEqual(told(await screenOf(["10%\r", "20%"])), [[1, "20%"]]);
});

test("rows are found by line, where some were swallowed", async () => {
  const screen = await screenOf(["a\nb\n\x1b[2A1\n2\nend\nmore\n"]);
  assert.deepEqual(told(screen), [
    [1, "1"],
    [2, "2"],
    [5, "end"],
    [6, "more"],
  ]);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((line) => [screen.rowOf(line).number, textOf(screen.rowOf(line))]),
    [
      [1, "1"],
      [2, "2"],
      [3, ""],
      [4, ""],
      [5, "end"],
      [6, "more"],
    ],
  );
  assert.ok(screen.rowOf(4).swallowed);
  assert.equal(screen.rowOf(4), screen.rowOf(4));
  assert.equal(screen.rowOf(9), null);
});

test("the rows of a line that has several are one", async () => {
  const screen = await screenOf(["a\vb\nc"]);
  assert.equal(textOf(screen.rowOf(1)), "a\n b");
  assert.equal(screen.rowOf(1), screen.rowOf(1));
});

test("of the line that it begins within it says nothing", async () => {
  const screen = new Screen();
  screen.write({ offset: 900, next: 903, line: 40, text: "b\x1b[1m\nc" });
  await screen.shown;
  assert.equal(screen.rowOf(40), null);
  assert.equal(textOf(screen.rowOf(41)), "c");
});

test("after a gap it begins anew", async () => {
  const screen = await screenOf(["a\n"]);
  screen.write({ offset: 900, next: 903, line: 40, text: "b\nc" });
  await screen.shown;
  assert.deepEqual(told(screen), [
    [40, "b"],
    [41, "c"],
  ]);
});

test("of more than it may keep waiting, the newest is shown", async () => {
  const screen = new Screen();
  const sent = frames("a\n", ..."bcdefgh".split("").map((letter) => `${letter.repeat(500_000)}\n`));
  for (const frame of sent) screen.write(frame);
  assert.ok(screen.waiting <= 1_000_000);
  await screen.shown;
  assert.equal(all(screen).at(-1).number, 8);
  assert.equal(screen.waiting, 0);
});

test("of rows, the newest are kept", async () => {
  const screen = await screenOf(
    Array.from({ length: 50 }, () => "\x1b[1mx\n".repeat(100)),
    { keep: 1000 },
  );
  assert.ok(screen.count <= 1125);
  assert.equal(all(screen).at(-1).number, 5000);
});

test("an endless line of escapes costs what a row costs", async () => {
  const screen = new Screen();
  for (let i = 0; i < 100; i += 1) {
    const text = "\x1b[31mx\x1b[2Kz\r".repeat(2000);
    screen.write({ offset: i * text.length, next: (i + 1) * text.length, line: 1, text });
    await screen.shown;
  }
  assert.equal(screen.count, 1);
  assert.equal(textOf(all(screen)[0]).length, 2);
});

test("an endless plain line is shown to its bound, the rest counted", async () => {
  const screen = await screenOf(["я".repeat(10_000)]);
  const [row] = all(screen);
  assert.equal(textOf(row).length, 4096);
  assert.equal(row.rest, 2 * (10_000 - 4096));
});

test("what is shown is told, also while much is written", async () => {
  let changes = 0;
  const screen = await screenOf(["\x1b[1mx\n".repeat(20_000)], { keep: 20_000, onChange: () => (changes += 1) });
  assert.ok(changes > 1);
  assert.equal(screen.count, 20_000);
});

test("one that is disposed says nothing any more", async () => {
  const screen = new Screen({ onChange: () => assert.fail() });
  screen.write(...frames("\x1b[1mx\n".repeat(100)));
  screen.dispose();
  await screen.shown;
});

test("a row that stays as it was stays the same object", async () => {
  for (const first of ["a\nb", "\x1b[1ma\nb"]) {
    const screen = await screenOf([first]);
    const [before, partial] = all(screen);
    screen.write({ offset: first.length, next: first.length + 1, line: 2, text: "c" });
    await screen.shown;
    const [after, more] = all(screen);
    assert.equal(before, after);
    assert.notEqual(partial, more);
    assert.equal(textOf(more), "bc");
  }
});
