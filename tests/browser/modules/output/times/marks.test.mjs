/** Marks of lines, by blocks. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { BLOCK_LINES, KEPT_BLOCKS, LineMarks } from "../../../js/output/times/marks.js";

/** A server of marks: each line has ten bytes, and one at its start, a second after that of the line before. */
function served({ count = 1000, part = Infinity } = {}) {
  const asked = [];
  let changes = 0;
  const read = async (first, last, { signal }) => {
    asked.push([first, last]);
    signal.throwIfAborted();
    const end = Math.min(last, count);
    const items = Array.from({ length: end - first + 1 }, (_, i) => [(first + i - 1) * 10, first + i, first + i]);
    return { items: items.slice(0, part), next: items.length > part ? first + part : null };
  };
  const marks = new LineMarks(read, () => (changes += 1));
  return { marks, asked, changes: () => changes, grow: (lines) => (count = lines) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("the times of a block of lines come with one request, and that of the line before", async () => {
  const { marks, asked, changes } = served();
  assert.equal(marks.timeOf(250), null);
  marks.want(230, 260, 1000);
  marks.want(231, 261, 1000);
  await settled();
  assert.deepEqual([asked, changes()], [[[BLOCK_LINES, 2 * BLOCK_LINES]], 1]);
  assert.deepEqual([marks.timeOf(250), marks.timeOf(201, 2000), marks.timeOf(400)], [250, 201, 400]);
  assert.deepEqual([marks.timeOf(401), marks.timeOf(0)], [null, null]);
  marks.want(232, 262, 1000);
  await settled();
  assert.equal(asked.length, 1);
});

test("a line that a mark is in the middle of has the time of the one before its start", async () => {
  const items = [
    [0, 1, 100],
    [15, 2, 200],
    [40, 5, 300],
  ];
  const marks = new LineMarks(async () => ({ items, next: null }), () => {});
  marks.want(1, 5, 5);
  await settled();
  assert.equal(marks.timeOf(2, 10), 100);
  assert.equal(marks.timeOf(3, 20), 200);
  assert.equal(marks.timeOf(5, 40), 300);
  assert.deepEqual([marks.timeOf(2), marks.timeOf(3), marks.timeOf(4)], [200, 200, 200]);
});

test("what comes in parts is put together, once", async () => {
  const { marks, asked } = served({ part: 50 });
  marks.want(1, 200, 1000);
  await settled();
  assert.deepEqual(asked.map(([first]) => first), [1, 51, 101, 151]);
  for (const line of [1, 50, 51, 200]) assert.equal(marks.timeOf(line), line);
});

test("the end of what grows is asked for again, after a while", async () => {
  mock.timers.enable({ apis: ["Date", "setTimeout"] });
  const { marks, asked, grow } = served({ count: 10 });
  marks.want(1, 10, 10);
  await settled();
  assert.deepEqual([marks.timeOf(10), marks.timeOf(11)], [10, null]);
  grow(12);
  marks.want(1, 12, 12);
  await settled();
  assert.equal(asked.length, 1);
  mock.timers.tick(500);
  await settled();
  assert.deepEqual([asked.length, marks.timeOf(12)], [2, 12]);
  marks.dispose();
  mock.timers.reset();
});

test("what cannot be had is asked for again, and what is not wished any more is let go", async () => {
  mock.timers.enable({ apis: ["Date", "setTimeout"] });
  const signals = [];
  let fails = true;
  const read = async (first, last, { signal }) => {
    signals.push(signal);
    if (fails) throw new Error("away");
    return { items: [[0, 1, 7]], next: null };
  };
  const marks = new LineMarks(read, () => {});
  marks.want(1, 10, 1000);
  await settled();
  assert.equal(marks.timeOf(1), null);
  fails = false;
  mock.timers.tick(3000);
  await settled();
  assert.equal(marks.timeOf(1), 7);
  marks.want(201, 210, 1000);
  marks.want(801, 810, 1000);
  assert.deepEqual(signals.map((signal) => signal.aborted), [false, false, true, false]);
  mock.timers.reset();
});

test("of many blocks a few are kept", async () => {
  const { marks } = served({ count: 1_000_000 });
  for (let block = 0; block < KEPT_BLOCKS + 10; block += 1) {
    marks.want(block * BLOCK_LINES + 1, block * BLOCK_LINES + 5, 1_000_000);
    await settled();
  }
  assert.deepEqual([marks.blocks.size, marks.notBefore.size, marks.asked.size], [KEPT_BLOCKS, KEPT_BLOCKS, 0]);
  assert.equal(marks.timeOf(1), null);
});
