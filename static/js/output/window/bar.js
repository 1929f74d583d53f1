/**
 * The scroll bar: where it stands for a place, and the place for where somebody puts it. Pure.
 *
 * Elements can be some 33 million pixels high in Chromium, 17 in Firefox, fewer when the page is enlarged. So the bar
 * stands for a fraction of the rows, and one pixel of it can be more than a row.
 */

/** @typedef {import("./place.js").Spread} Spread @typedef {import("./place.js").Place} Place */

const MOST_PX = 6_000_000;

/**
 * @param {import("./place.js").Sizes & {average: number}} sizes average: px of a row
 * @param {Spread} seen
 * @returns {number} how high what scrolls is said to be, in px
 */
export function barHeight({ count, view, foot, average }, seen) {
  const all = seen.first === 0 && seen.last === count;
  if (all) return Math.max(view, seen.bottom - seen.top + foot);
  return Math.max(view + average, Math.min(MOST_PX, count * average + foot));
}

/** How many rows lie above what is seen when the end is. */
const mostRows = ({ count, view, foot, average }) => Math.max(1, count - (view - foot) / average);

/** @returns {boolean} whether the end is seen */
export const isAtEnd = ({ count, view, foot }, seen) => seen.last === count && seen.bottom + foot <= view + 1;

/** @returns {boolean} whether the start is seen */
export const isAtStart = (seen) => seen.first === 0 && seen.top >= -1;

/**
 * @param {import("./place.js").Sizes & {average: number}} sizes
 * @param {Spread} seen
 * @param {number} height of the bar
 * @returns {number} how far the bar is from its top, in px
 */
export function barTop(sizes, seen, height) {
  const room = height - sizes.view;
  if (isAtEnd(sizes, seen)) return room;
  if (isAtStart(seen)) return 0;
  const row = seen.first - seen.top / Math.max(1, sizes.heightOf(seen.first));
  return Math.min(room - 1, (row / mostRows(sizes)) * room);
}

/**
 * @param {import("./place.js").Sizes & {average: number}} sizes
 * @param {number} top of the bar
 * @param {number} height of the bar
 * @returns {Place|null} null: the end
 */
export function placeOfBar(sizes, top, height) {
  const room = height - sizes.view;
  if (top >= room - 1) return null;
  const row = (top / room) * mostRows(sizes);
  const index = Math.floor(row);
  return { index, y: -(row - index) * sizes.heightOf(index) };
}
