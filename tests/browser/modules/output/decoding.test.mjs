/** Bytes as text, in any encoding. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf } from "../../js/output/decoding.js";

const TEXT = "один\nдва и 3\n\nn€xt";
const UTF16 = Buffer.from(TEXT, "utf16le");

/** Bytes by lines as the server counts them: each ends behind a byte 10. */
function byLines(bytes) {
  const lines = [];
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found + 1;
    lines.push([bytes.subarray(start, end), start]);
    start = end;
  }
  return lines;
}

test("a line is decoded by itself, wherever its bytes begin", () => {
  const lines = TEXT.split("\n");
  const utf8 = byLines(Buffer.from(TEXT)).map(([bytes, offset]) => textOf(bytes, offset, "utf-8"));
  assert.deepEqual(utf8, lines);
  const utf16 = byLines(UTF16).map(([bytes, offset]) => textOf(bytes, offset, "utf-16le"));
  assert.deepEqual(utf16, lines);
});

test("lines together are, too", () => {
  const [, [, start]] = byLines(UTF16);
  assert.equal(textOf(UTF16.subarray(start), start, "utf-16le"), "два и 3\n\nn€xt");
});

test("encodings of one byte a character are what they are", () => {
  assert.equal(textOf(Uint8Array.of(0xcf, 0xf0, 0xe8, 10), 7, "windows-1251"), "При");
  assert.equal(textOf(Uint8Array.of(0x8f, 0xe0, 0xa8, 10), 7, "ibm866"), "При");
});

test("a mark of the byte order is one at the start alone, and an end within a character does no harm", () => {
  const mark = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61);
  assert.equal(textOf(mark, 0, "utf-8"), "a");
  assert.equal(textOf(mark, 5, "utf-8"), "\ufeffa");
  assert.equal(textOf(Uint8Array.of(0x61, 0x00, 0x62), 0, "utf-16le"), "a");
  assert.equal(textOf(new Uint8Array(), 3, "utf-16le"), "");
});
