/** The live end of an output from its stream: the last lines, however much comes, and how far it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { said, until } from "./served.mjs";

const { Tail } = await import("../../../js/output/lines/tail.js");

const size = (text) => Buffer.from(text).length;

/** Frames of texts, one after the other, from an offset and a line. */
function framed(texts, { offset = 0, line = 1 } = {}) {
  return texts.map((text) => {
    const frame = { offset, line, next: offset + size(text), text };
    offset = frame.next;
    line += text.split("\n").length - 1;
    return frame;
  });
}

function fed(frames, as = "terminal") {
  const tail = new Tail(as, () => {});
  for (const frame of frames) tail.take(frame);
  return tail;
}

test("lines are put together, however they are cut into frames", () => {
  const tail = fed(framed(["one\ntw", "o\n", "thr", "ee"]));
  assert.deepEqual([1, 2, 3].map((number) => said(tail.row(number))), ["one", "two", "three"]);
  assert.deepEqual([1, 3].map((number) => tail.row(number).whole), [true, false]);
  assert.deepEqual([tail.count, tail.newlines, tail.next], [3, 2, 13]);
});

test("two hundred lines are kept of a flood, and all are counted", () => {
  const flood = Array.from({ length: 50 }, (_, i) => Array.from({ length: 2000 }, (_, j) => `${2000 * i + j}\n`).join(""));
  const tail = fed(framed(flood));
  assert.equal(tail.count, 100_000);
  assert.equal(tail.lines.length, 200);
  assert.equal(said(tail.row(100_000)), "99999");
  assert.equal(said(tail.row(99_801)), "99800");
  assert.equal(tail.has(99_800), false);
});

test("after a gap it begins anew, and does not take the rest of a line for a line", () => {
  const tail = fed([...framed(["one\n"]), ...framed(["d of a line\nwhole\n"], { offset: 5000, line: 700 })]);
  assert.equal(tail.has(1), false);
  assert.equal(tail.has(700), false);
  assert.equal(said(tail.row(701)), "whole");
  assert.equal(tail.newlines, 701);
});

test("a row stays the same object while nothing of it changes", () => {
  const frames = framed(["one\ntwo\n", "three\n"]);
  const tail = fed(frames.slice(0, 1));
  const row = tail.row(1);
  tail.take(frames[1]);
  assert.equal(tail.row(1), row);
});

test("of a long line its beginning is kept, and of one that is redrawn its end", async () => {
  const long = fed(framed(["x".repeat(100_000), "y".repeat(100_000)]));
  assert.equal(said(long.row(1)), "x".repeat(4096));
  assert.equal(long.row(1).rest, 195_904);
  const bar = fed(framed(Array.from({ length: 20_000 }, (_, i) => `${i} %\r`)));
  await until(() => said(bar.row(1))?.startsWith("19999 %"));
  assert.equal(bar.row(1).rest, 0);
  assert.ok(bar.open.text.length + bar.open.last.length <= 8192);
});

test("what a terminal draws is shown once it is drawn, and nothing is blank meanwhile", async () => {
  const frames = framed(["\x1b[31mone\x1b[m\n", "\x1b[32mtwo\x1b[m\n"]);
  const tail = fed(frames.slice(0, 1));
  await until(() => tail.count === 1);
  tail.take(frames[1]);
  assert.deepEqual([tail.count, said(tail.row(1))], [1, "one"]);
  await until(() => tail.count === 2);
  assert.deepEqual([1, 2].map((number) => said(tail.row(number))), ["one", "two"]);
});
