/** Lines with control bytes, through a terminal: what acts, whose line a row is, and what stays harmless. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderLines } from "../../../js/output/terminal/render.js";

/** @param {string} text @param {"written"|"terminal"} as */
async function rows(text, as = "terminal") {
  const texts = text.split("\n");
  const lines = texts.map((line, i) => ({
    number: i + 1,
    offset: i * 10,
    text: line,
    rest: 0,
    whole: i < texts.length - 1,
  }));
  return renderLines(lines, { as });
}

const textOf = ({ spans }) => spans.map(({ text }) => text).join("");
const texts = async (text, as) => (await rows(text, as)).map(textOf);
const spans = async (text, as) => (await rows(text, as))[0].spans;

/** @param {Record<string, [string, string[]]>} cases name: output, the rows' texts */
function shows(cases) {
  for (const [name, [output, expected]] of Object.entries(cases)) {
    test(name, async () => assert.deepEqual(await texts(output), expected));
  }
}

shows({
  "of a line of returns its end is shown": ["10%\r50%\r100%\nx", ["100%", "x"]],
  "what is longer than what is put over it stays": ["abcdef\rXY", ["XYcdef"]],
  "backspace and erasing act": ["ab\bc\x1b[K\nabc\r\x1b[2Kx", ["ac", "x"]],
  "a line wider than the terminal is one row": ["\x1b[m" + "a".repeat(1300), ["a".repeat(1300)]],
  "a wide character that has no room in the last column leaves no gap": [
    "\x1b[m" + "a".repeat(511) + "漢b",
    ["a".repeat(511) + "漢b"],
  ],
  "a newline is one as a terminal's driver makes it": ["\x1b[1mab\ncd", ["ab", "cd"]],
  "a tab goes to the next eighth column": ["a\x1b[m\tb", ["a       b"]],
  "marks stay with their letter": ["e\u0301\x1b[mx", ["e\u0301x"]],
  "a control string that is not ended hides nothing of the next line": ["a\x1b]0;title\nb\x1bPq\nc", ["a", "b", "c"]],
  "a sequence that is not ended takes nothing of the next line": ["a\x1b[3\n1mb", ["a", "1mb"]],
  "what scrolled past is not erased": ["a\n".repeat(40) + "\x1b[3Jb", [...Array(40).fill("a"), "b"]],
  "the other screen is gone when it is left": ["a\x1b[?1049h\x1b[Hmenu\x1b[?1049l\nb", ["a", "b"]],
  "a reset clears the screen": ["ab\x1bccd", ["cd"]],
  "NUL and bell show nothing": ["a\x00b\x07c", ["abc"]],
  "bidirectional controls are signs": ["\x1b[ma\u202eb", ["a[RLO]b"]],
  "characters of the private plane that mask signs are not taken for them": ["\x1b[m\u{10f01b}", ["\ufffd"]],
});

test("every row is of the line in which the cursor first came to it; others are swallowed", async () => {
  const drawn = await rows("a\nb\n\x1b[2A1\n2\nend\nmore");
  assert.deepEqual(
    drawn.map((row) => [row.number, textOf(row), Boolean(row.swallowed)]),
    [
      [1, "1", false],
      [2, "2", false],
      [3, "", true],
      [4, "", true],
      [5, "end", false],
      [6, "more", false],
    ],
  );
});

test("rows keep what is known of their line", async () => {
  const lines = [{ number: 41, offset: 900, text: "a\x1b[1mb", rest: 7, whole: false }];
  assert.deepEqual(await renderLines(lines), [
    { number: 41, offset: 900, spans: [{ text: "a" }, { text: "b", style: { classes: "bold" } }], rest: 7, whole: false },
  ]);
});

test("a line that makes several rows shows them one below the other", async () => {
  assert.deepEqual(await texts("a\vb\nc"), ["a\n b", "c"]);
});

test("a thousand lines keep their numbers", async () => {
  const drawn = await rows("\x1b[1mx\n".repeat(1000));
  assert.ok(drawn.slice(0, 1000).every((row, i) => row.number === i + 1 && textOf(row) === "x"));
});

test("colours, weights and what is concealed are in the spans", async () => {
  assert.deepEqual(await spans("\x1b[1;3;4;9;31ma\x1b[0;7mb\x1b[0;8mc\x1b[0;38;5;2md\x1b[0;2;53me"), [
    { text: "a", style: { classes: "bold italic underline strike fg-1" } },
    { text: "b", style: { classes: "fg-canvas bg-text" } },
    { text: "c", style: { classes: "concealed" }, hidden: true },
    { text: "d", style: { classes: "fg-2" } },
    { text: "e", style: { classes: "dim overline" } },
  ]);
});

test("colours of 256 and of 16 million are given by value", async () => {
  const [{ style }] = await spans("\x1b[38;2;255;255;255;48;5;52ma");
  assert.deepEqual(style, { classes: "", foreground: "#ffffff", background: "#5f0000" });
});

test("a colour that could not be read is changed, in the scheme where it could not", async () => {
  const [{ style }] = await spans("\x1b[38;2;0;0;100ma");
  assert.match(style.foreground, /^light-dark\(#000064, #[0-9a-f]{6}\)$/);
  const [same] = await spans("\x1b[31;41ma");
  assert.match(same.style.foreground, /^light-dark/);
});

test("as written, colours act and every other control is a sign", async () => {
  assert.deepEqual(await texts("\x1b[31ma\r\x1b[2Kb\b\x00\x9b1G\x7f\nc\r", "written"), [
    "a␍␛[2Kb␈␀[9B]1G␡",
    "c␍",
  ]);
  assert.deepEqual(await spans("\x1b[31ma\r", "written"), [
    { text: "a", style: { classes: "fg-1" } },
    { text: "␍", style: { classes: "control-sign" } },
  ]);
});

test("as written, numbers of sequences are as they were", async () => {
  assert.deepEqual(await texts("\x1b[123456789S", "written"), ["␛[123456789S"]);
});

test("links of the web (OSC 8) are links, others are text", async () => {
  const link = (address) => `\x1b]8;;${address}\x1b\\text\x1b]8;;\x1b\\`;
  for (const as of ["terminal", "written"]) {
    assert.deepEqual((await spans(link("https://a.example/x"), as))[0].href, "https://a.example/x");
    for (const address of ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "//a.example"]) {
      assert.equal((await spans(link(address), as))[0].href, undefined);
    }
  }
});

test("an address is one link whatever its colours", async () => {
  const found = await spans("\x1b[1mhttps://a.ex\x1b[0mample/b c");
  assert.deepEqual(
    found.map(({ text, href }) => [text, href]),
    [
      ["https://a.ex", "https://a.example/b"],
      ["ample/b", "https://a.example/b"],
      [" c", undefined],
    ],
  );
});

test("markup is text", async () => {
  assert.deepEqual(await texts("\x1b[1m<img src=x onerror=alert(1)>"), ["<img src=x onerror=alert(1)>"]);
});

test("no number in a sequence makes it work for longer than its screen is large", async () => {
  const greedy = ["S", "T", "L", "M", "@", "P", "X", "b", "I", "Z"].map((final) => `x\x1b[2147483647${final}`);
  const hidden = [`x\x1b[${"0".repeat(400)}2147483647S`, "x\x1b[2147\r483647b", "x\x9b2147483647b"];
  for (const text of [...greedy, ...hidden]) {
    const [row] = await rows(text);
    assert.ok(textOf(row).length <= 1024, JSON.stringify(text));
  }
});

test("a line of rows does not outgrow what may scroll past unread", async () => {
  const [row] = await rows("\x1b[m" + "a\v\r".repeat(1000) + "\x1b[9b".repeat(200));
  assert.equal(textOf(row).match(/a/g).length, 1000);
});

test("where xterm fails, what was shown stays and what comes is shown", async () => {
  assert.deepEqual(await texts("a\nb\n\x1b[24;512H\x1b[1J\nc\nd\n".repeat(2) + "e"), [
    ...["a", "b", "\n", "c", "d", "a", "b", "\n", "c", "d"],
    "e",
  ]);
});

test("the page has its turns while much that costs a terminal most is written", async () => {
  let turns = 0;
  let over = false;
  const drawn = rows("\x1b[9999T".repeat(500) + "\n".repeat(40) + "x").finally(() => (over = true));
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
  assert.ok(turns > 2);
  assert.equal(textOf((await drawn).at(-1)), "x");
});
