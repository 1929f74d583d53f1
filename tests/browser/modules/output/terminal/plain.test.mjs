/** Lines without control bytes: straight to rows, with links, and signs for what would not be seen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { webAddress } from "../../../js/output/terminal/links.js";
import { needsTerminal, renderLines } from "../../../js/output/terminal/render.js";

const line = (text, rest = {}) => ({ number: 1, offset: 0, text, rest: 0, whole: true, ...rest });
const spans = (text, options) => renderLines([line(text)], options)[0].spans;

test("a plain line is one span, told at once", () => {
  assert.deepEqual(renderLines([line("a\tb", { number: 7, offset: 41, rest: 3, whole: false })]), [
    { number: 7, offset: 41, spans: [{ text: "a\tb" }], rest: 3, whole: false },
  ]);
});

test("an empty line has no spans", () => assert.deepEqual(spans(""), []));

test("controls need a terminal; tabs, letters of any script and a return before the newline do not", () => {
  for (const text of ["\x1b[1m", "a\rb", "a\b", "\x00", "\x9b1m", "\x7f", "a\r\x07"]) assert.ok(needsTerminal(text));
  for (const text of ["", "a\tb", "a\r", "a\r\r", "привет", "漢字", "\u202e"]) assert.ok(!needsTerminal(text));
});

test("a return before the newline is shown only as written", () => {
  assert.deepEqual(spans("a\r"), [{ text: "a" }]);
  assert.deepEqual(spans("a\r", { as: "written" }), [
    { text: "a" },
    { text: "␍", style: { classes: "control-sign" } },
  ]);
});

test("bidirectional controls and characters without width are signs", () => {
  assert.deepEqual(
    spans("a\u202eb\u200bc\ufeff").map(({ text }) => text),
    ["a", "[RLO]", "b", "[ZWSP]", "c", "[BOM]"],
  );
});

test("joiners stay", () => assert.deepEqual(spans("👩\u200d🚀"), [{ text: "👩\u200d🚀" }]));

test("addresses are links, without the sentence around them", () => {
  assert.deepEqual(spans("see (https://a.example/b_(c)?d=1,2), or http://b.example."), [
    { text: "see (" },
    { text: "https://a.example/b_(c)?d=1,2", href: "https://a.example/b_(c)?d=1,2" },
    { text: "), or " },
    { text: "http://b.example", href: "http://b.example/" },
    { text: "." },
  ]);
});

test("an address is a link up to the sign in it", () => {
  assert.deepEqual(
    spans("https://a.example/\u202ex").map(({ text, href }) => [text, href]),
    [
      ["https://a.example/", "https://a.example/"],
      ["[RLO]", undefined],
      ["x", undefined],
    ],
  );
});

test("only addresses of the web are links", () => {
  for (const text of ["javascript://a%0aalert(1)", "ftp://a.example", "https://", "xhttps://a.example"]) {
    assert.deepEqual(spans(text), [{ text }]);
  }
  assert.equal(webAddress("javascript:alert(1)"), null);
  assert.equal(webAddress("data:text/html,x"), null);
});
