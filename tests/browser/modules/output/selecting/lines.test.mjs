/** Lines in the address, and what a click chooses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { afterClick, formatLines, parseLines, pathWithLines } from "../../../js/output/selecting/lines.js";

test("lines are named by the address", () => {
  for (const [text, lines] of [
    ["120", { first: 120, last: 120 }],
    ["120-130", { first: 120, last: 130 }],
    ["130-120", { first: 120, last: 130 }],
  ]) {
    assert.deepEqual(parseLines(text), lines);
    assert.deepEqual(parseLines(formatLines(lines)), lines);
  }
  for (const text of [null, "", "0", "-5", "5-", "a", "1-2-3", "1.5", "9".repeat(16)]) assert.equal(parseLines(text), null);
});

test("the rest of the address stays", () => {
  const lines = { first: 3, last: 5 };
  assert.equal(pathWithLines("#/runs/7", lines), "/runs/7?line=3-5");
  assert.equal(pathWithLines("#/runs/7?line=9&find=a+b", lines), "/runs/7?line=3-5&find=a+b");
  assert.equal(pathWithLines("#/runs/7?line=9&find=x", null), "/runs/7?find=x");
  assert.equal(pathWithLines("#/runs/7?line=9", null), "/runs/7");
});

test("a click chooses a line, a second one none, and with shift up to there", () => {
  const one = { first: 5, last: 5 };
  assert.deepEqual(afterClick(null, 5, null), one);
  assert.equal(afterClick(one, 5, null), null);
  assert.deepEqual(afterClick({ first: 5, last: 9 }, 5, null), one);
  assert.deepEqual(afterClick(one, 9, 5), { first: 5, last: 9 });
  assert.deepEqual(afterClick({ first: 5, last: 9 }, 2, 5), { first: 2, last: 5 });
});
