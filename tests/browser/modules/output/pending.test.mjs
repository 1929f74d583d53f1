/** Output that waits to be shown: bounded, in order, cut after lines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pending } from "../../js/output/pending.js";

function filled(frames) {
  const pending = new Pending({ characters: 100, lines: 50 });
  for (let i = 0; i < frames; i += 1) pending.push({ text: `line ${i}\n`.repeat(4), line: 1 + 4 * i });
  return pending;
}

function takeAll(pending, length) {
  let all = "";
  while (!pending.empty) all += pending.take(length);
  return all;
}

test("within its bounds nothing is dropped", () => {
  const pending = filled(3);
  assert.equal(pending.over, false);
  assert.equal(pending.dropOldest(), null);
});

test("beyond its bounds the oldest goes, and the line that is now its first is returned", () => {
  const pending = filled(10);
  assert.ok(pending.over);
  const line = pending.dropOldest();
  assert.ok(!pending.over);
  assert.equal(line, pending.frames[0].line);
  assert.equal(pending.frames.at(-1).line, 37);
});

test("what is taken is all that waited, in order, cut after lines where one ends soon", () => {
  const pending = filled(2);
  assert.equal(pending.take(5), "line 0\n");
  assert.equal(takeAll(pending, 5), "line 0\n".repeat(3) + "line 1\n".repeat(4));
  assert.equal(pending.characters, 0);
});

test("a line too long for a slice is cut", () => {
  const pending = filled(0);
  pending.push({ text: "x".repeat(50), line: 1 });
  assert.equal(pending.take(20), "x".repeat(20));
  assert.equal(takeAll(pending, 20), "x".repeat(30));
});
