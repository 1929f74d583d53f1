import assert from "node:assert/strict";
import { test } from "node:test";
import { askedOf, choiceOf, comparedOf, MOST_BYTES, MOST_LINES, queryOf } from "../../js/compare/part.js";

const chosen = (text) => choiceOf(new URLSearchParams(text));
const lines = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}\n`).join("");
const part = (text, about) => ({ bytes: new TextEncoder().encode(text), offset: 0, line: 1, lines: 1, ...about });

test("the address says what is compared, and the end goes without saying", () => {
  assert.deepEqual(chosen(""), { part: "end", lines: [1, MOST_LINES], times: false, digits: false });
  assert.deepEqual(queryOf(chosen("")), {});
  for (const query of ["part=start", "lines=20-30", "ignore=times", "lines=1-2&ignore=times%2Cdigits"]) {
    assert.equal(new URLSearchParams(queryOf(chosen(query))).toString(), query);
  }
  assert.equal(chosen("part=nothing&lines=0-1&ignore=colours").part, "end");
});

test("no more lines and bytes are asked for than the bounds", () => {
  assert.deepEqual(askedOf(chosen("")), { max_bytes: MOST_BYTES, tail: MOST_LINES });
  assert.deepEqual(askedOf(chosen("part=start")), { max_bytes: MOST_BYTES, lines: `1-${MOST_LINES}` });
  assert.deepEqual(askedOf(chosen("lines=100001-7")), { max_bytes: MOST_BYTES, lines: `7-${MOST_LINES + 6}` });
  assert.deepEqual(chosen("lines=100001-7").lines, [7, 100_001]);
});

test("what came is told in lines, whole where it is all", () => {
  const text = "a\nb\nc";
  const whole = comparedOf(part(text, { lines: 3, size: 5 }), chosen(""));
  assert.deepEqual([whole.first, whole.last, whole.whole], [1, 3, true]);
  const end = comparedOf(part(text, { offset: 10, line: 6, lines: 8, size: 15 }), chosen(""));
  assert.deepEqual([end.first, end.last, end.whole], [6, 8, false]);
  const none = comparedOf(part("", { offset: 5, line: 4, lines: 3, size: 5 }), chosen("lines=4-9"));
  assert.ok(none.last < none.first);
});

test("what the bound in bytes cuts within a line is left out", () => {
  const long = lines(1, 400_000);
  const end = comparedOf(part(long.slice(-MOST_BYTES), { offset: 9, line: 7, lines: 400_000, size: 9 + MOST_BYTES }), chosen(""));
  assert.equal(new TextDecoder().decode(end.bytes.subarray(0, 5)), "line ");
  assert.deepEqual([end.first, end.offset - 9 + end.bytes.length], [8, MOST_BYTES]);
  const start = comparedOf(part(long.slice(0, MOST_BYTES), { lines: 400_000, size: long.length }), chosen("part=start"));
  assert.equal(start.bytes.at(-1), 10);
  assert.equal(start.bytes.length, long.lastIndexOf("\n", MOST_BYTES - 1) + 1);
});

test("a line that is longer than the bound is compared as far as it came", () => {
  for (const query of ["", "part=start"]) {
    const { bytes, first, last } = comparedOf(
      part("x".repeat(MOST_BYTES), { offset: query ? 0 : 5, line: 1, lines: 1, size: 3 * MOST_BYTES }),
      chosen(query),
    );
    assert.deepEqual([bytes.length, first, last], [MOST_BYTES, 1, 1]);
  }
});
