/** Output becomes rows of styled text: what acts, what is inert, and that it may be cut anywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Terminal } from "../../js/output/terminal.js";

/** Feeds the pieces; returns all rows, the one that is being written among them. */
function rows(...pieces) {
  const terminal = new Terminal();
  const all = pieces.flatMap((piece) => terminal.feed(piece));
  return terminal.current ? [...all, terminal.current] : all;
}

const textOf = (row) => row.segments.map(({ text }) => text).join("");
const texts = (text) => rows(text).map(textOf);
const styles = (text) =>
  rows(text).flatMap(({ segments }) =>
    segments.map(({ text, style }) => [text, style?.className ?? "", style?.color ?? ""]),
  );

/** @param {Record<string, [string, string[]]>} cases name: output, the rows' texts */
function shows(cases) {
  for (const [name, [output, expected]] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(texts(output), expected));
  }
}

test("lines are numbered from 1, empty ones too", () => {
  assert.deepEqual(
    rows("a\n\nb").map(({ line }) => line),
    [1, 2, 3],
  );
});

shows({
  "a carriage return shows the last state of a line": ["10%\r50%\r100%\n", ["100%"]],
  "what a shorter text does not cover stays": ["hello\rxy\n", ["xyllo"]],
  "a line that ends in CR LF is whole": ["a\r\nb\r\n", ["a", "b"]],
  "a trailing carriage return keeps the text": ["50%\r", ["50%"]],
  "the rest of a line can be erased": ["long text\r\x1b[Kab\n", ["ab"]],
  "the start of a line can be erased": ["abcd\x1b[2D\x1b[1Kx\n", ["  xd"]],
  "what is under the cursor is erased with the start": ["abcd\x1b[3G\x1b[1K\n", ["   d"]],
  "a whole line can be erased, and the cursor stays": ["abcd\x1b[2Kx\n", ["    x"]],
  "moving right of what is written leaves blanks": ["name\x1b[20Cvalue\n1\x1b[5C2\n", [`name${" ".repeat(20)}value`, "1     2"]],
  "a column beyond the end leaves blanks": ["ab\x1b[6Gc\n", ["ab   c"]],
  "blanks that nothing follows are none": ["ab\x1b[6G\n", ["ab"]],
  "moving far leaves no more blanks than a terminal is wide": ["\x1b[99999999Cx\n", [`${" ".repeat(1023)}x`]],
  "wide characters are two columns": ["漢字ab\x1b[5GX\n", ["漢字Xb"]],
  "a surrogate pair is a character": ["🚀ab\x1b[3GX\n", ["🚀Xb"]],
  "of a wide character that is written over, a blank is left": ["漢字\rX\n", ["X 字"]],
  "what is drawn onto a character goes with it": ["e\u0301ab\x1b[2GX\n", ["e\u0301Xb"]],
  "what is drawn onto a character is no column": ["e\u0301\b\bX\n", ["X"]],
  "Cyrillic and box drawing are a column each": ["│Да│\x1b[2GНе\n", ["│Не│"]],
  "a tab goes to the next eighth column": ["a\tb\x1b[9GX\n", ["a\tX"]],
  "a backspace goes back": ["abc\b\bX\n", ["aXc"]],
  "the column can be set": ["abc\x1b[2GX\x1b[1CY\n", ["aXcY"]],
  "links, the clipboard and titles are inert": [
    "\x1b]8;;http://x/\x1b\\link\x1b]8;;\x07 \x1b]52;c;QUJD\x07after\x1b]0;t\x07\n",
    ["link after"],
  ],
  "a control string cannot hide the next line": ["a\x1b]52;c;AAA\nseen\n", ["a", "seen"]],
  "moving to other lines and clearing the screen do nothing": ["a\x1b[2J\x1b[H\x1b[3Ab\x1b[?25l\x1b[>4;1mc\n", ["abc"]],
  "other control characters are shown": ["a\0b\x07c\x0bd\x7fe\x9bf\n", ["a\u2400bc\u240bd\u2421e\ufffdf"]],
});

test("colours and weights are styles", () => {
  assert.deepEqual(styles("\x1b[1;31mr\x1b[0mp\x1b[38;5;208mi\x1b[38;2;1;2;3mt\x1b[39md"), [
    ["r", "bold fg-1", ""],
    ["p", "", ""],
    ["i", "", "#ff8700"],
    ["t", "", "#010203"],
    ["d", "", ""],
  ]);
});

test("colours may be written with colons", () => {
  assert.deepEqual(styles("\x1b[38:2::1:2:3mx\x1b[0;4:3my\x1b[4:0mz"), [
    ["x", "", "#010203"],
    ["y", "underline", ""],
    ["z", "", ""],
  ]);
});

test("the colour of an underline is skipped", () => {
  assert.deepEqual(styles("\x1b[58;5;1;32mx"), [["x", "fg-2", ""]]);
});

test("inverse swaps the colours of text and ground", () => {
  assert.deepEqual(styles("\x1b[7mx"), [["x", "fg-canvas bg-text", ""]]);
});

test("impossible colours and private functions mean nothing", () => {
  assert.deepEqual(styles("\x1b[38;5;999mx\x1b[38mx\x1b[38;2;300;1;1mx\x1b[>4;1mx"), [["xxxx", "", ""]]);
});

test("a style goes on over lines", () => {
  assert.deepEqual(styles("\x1b[32ma\nb"), [
    ["a", "fg-2", ""],
    ["b", "fg-2", ""],
  ]);
});

test("a very long line goes on in further rows, and no character is split", () => {
  const text = "🚀".repeat(5000);
  const all = rows(text);
  assert.deepEqual(
    all.map(({ line }) => line),
    [1, null, null],
  );
  assert.equal(all.map(textOf).join(""), text);
  for (const row of all) assert.doesNotMatch(textOf(row), /[\ud800-\udbff]$/);
});

test("cut anywhere, the rows are the same", () => {
  const text =
    "漢字\x1b[2D🚀e\u0301\rx\x1b[7Cy\n" +
    "a\x1b[1;31mred\x1b[0m\r\x1b[Kb\n\x1b]8;;http://x\x1b\\l\x1b]8;;\x1b\\\n\x1b]52;c;AA\nx\x1b(Bé🚀\b!\n\x1b[38;2;1;2;3mend";
  const whole = JSON.stringify(rows(text));
  for (let i = 0; i <= text.length; i += 1) {
    for (let j = i; j <= Math.min(text.length, i + 7); j += 1) {
      const cut = rows(text.slice(0, i), text.slice(i, j), text.slice(j));
      assert.equal(JSON.stringify(cut), whole, `cut at ${i}, ${j}`);
    }
  }
});

test("whatever comes, every line is a row", () => {
  let seed = 7;
  const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  for (let round = 0; round < 300; round += 1) {
    const text = Array.from({ length: 200 }, () => "\x1b\x1b[[]];:m0189K\r\n\bGCDabc\x07\x9b\\?"[next() % 32] ?? "x");
    const lines = text.filter((character) => character === "\n").length;
    assert.equal(new Terminal().feed(text.join("")).length, lines, JSON.stringify(text.join("")));
  }
});

test("a million carriage returns are quick", () => {
  const before = performance.now();
  new Terminal().feed("\r".repeat(1e6));
  assert.ok(performance.now() - before < 2000);
});

test("an endless control string is not kept", () => {
  const terminal = new Terminal();
  terminal.feed("\x1b]52;");
  for (let i = 0; i < 100; i += 1) terminal.feed("A".repeat(10_000));
  assert.equal(terminal.carry, "");
  assert.deepEqual(terminal.feed("\nx\n").map(textOf), ["", "x"]);
});
