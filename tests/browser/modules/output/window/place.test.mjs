import assert from "node:assert/strict";
import { test } from "node:test";

import { barHeight, barTop, isAtEnd, placeOfBar } from "../../../js/output/window/bar.js";
import { Heights } from "../../../js/output/window/heights.js";
import { endOf, spread, within } from "../../../js/output/window/place.js";

const LINE = 20;

function sizesOf(count, { view = 600, foot = 0, heightOf = () => LINE, average = LINE } = {}) {
  return { count, view, foot, heightOf, average };
}

test("ten million rows: those that are seen are the ones around the place", () => {
  const seen = spread({ index: 5_000_000, y: 10 }, sizesOf(10_000_000));
  assert.deepEqual(seen, { first: 4_999_999, last: 5_000_030, top: -10, bottom: 610 });
});

test("a place that is scrolled far past its row names the rows that are there", () => {
  const down = spread({ index: 100, y: -2000 }, sizesOf(1000));
  assert.deepEqual([down.first, down.top], [200, 0]);
  const up = spread({ index: 100, y: 999 }, sizesOf(1000));
  assert.deepEqual([up.first, up.top], [50, -1]);
});

test("a place that is taken before there are rows is kept until they come", () => {
  const place = { index: 0, y: 290 };
  assert.deepEqual(within(place, sizesOf(0, { foot: 40 })), place);
});

test("neither end leaves room, but in an output that is shorter than what is seen", () => {
  const sizes = sizesOf(100, { foot: 40 });
  assert.deepEqual(spread(within({ index: 99, y: 0 }, sizes), sizes), { first: 72, last: 100, top: 0, bottom: 560 });
  assert.deepEqual(within({ index: 3, y: 400 }, sizes), { index: 3, y: 60 });
  const short = sizesOf(5);
  assert.deepEqual(spread(within(endOf(short), short), short), { first: 0, last: 5, top: 0, bottom: 100 });
  const empty = sizesOf(0);
  assert.deepEqual(spread(within(endOf(empty), empty), empty), { first: 0, last: 0, top: 0, bottom: 0 });
});

test("a row keeps its place while rows above it turn out to be higher", () => {
  const heights = new Heights(LINE);
  const sizes = { ...sizesOf(1000), heightOf: (index) => heights.of(index) };
  const place = { index: 500, y: 290 };
  assert.equal(spread(place, sizes).first, 485);
  for (let index = 490; index < 500; index += 1) heights.set(index, 60);
  const seen = spread(within(place, sizes), sizes);
  assert.equal(seen.first, 495);
  assert.equal(seen.top + 5 * 60, 290);
});

test("rows without a height do not end in endless work", () => {
  const seen = spread({ index: 500_000, y: 0 }, sizesOf(1_000_000, { heightOf: () => 0 }));
  assert.ok(seen.last - seen.first <= 400);
});

test("while all fits into what browsers can do, a pixel of the bar is a pixel of the rows", () => {
  const sizes = sizesOf(1000);
  const seen = spread({ index: 300, y: -7 }, sizes);
  const height = barHeight(sizes, seen);
  assert.equal(height, 20_000);
  assert.ok(Math.abs(barTop(sizes, seen, height) - 6007) < 0.001);
  assert.deepEqual(placeOfBar(sizes, 6007, height).index, 300);
});

test("of ten million rows the bar stands for a fraction, and reaches each end", () => {
  const sizes = sizesOf(10_000_000);
  const seen = spread({ index: 5_000_000, y: 0 }, sizes);
  const height = barHeight(sizes, seen);
  assert.ok(height <= 6_000_000);
  assert.ok(Math.abs(barTop(sizes, seen, height) - height / 2) < 600);
  assert.equal(placeOfBar(sizes, 0, height).index, 0);
  assert.equal(placeOfBar(sizes, height - sizes.view, height), null);
  const end = spread(within(endOf(sizes), sizes), sizes);
  assert.ok(isAtEnd(sizes, end));
  assert.equal(barTop(sizes, end, height), height - sizes.view);
});

test("where the bar is put and where it then stands are the same, whatever the heights", () => {
  for (const average of [LINE, 33, 70]) {
    const sizes = sizesOf(123_456, { average, heightOf: () => average });
    for (let share = 0.001; share < 1; share += 0.0497) {
      const height = barHeight(sizes, spread({ index: 50, y: 0 }, sizes));
      const top = share * (height - sizes.view);
      const back = barTop(sizes, spread(placeOfBar(sizes, top, height), sizes), height);
      assert.ok(Math.abs(back - top) < 1, `${top} became ${back}`);
    }
  }
});

test("what was measured is told apart from what is assumed", () => {
  const heights = new Heights(LINE);
  assert.equal(heights.set(7, LINE), false);
  assert.equal(heights.set(8, 60), true);
  assert.equal(heights.average, 40);
  heights.forget(8);
  assert.equal(heights.of(8), LINE);
  assert.equal(heights.average, LINE);
});
