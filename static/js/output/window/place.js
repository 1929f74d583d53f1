/**
 * Which rows are seen, when one of them stands at a known place. Pure.
 *
 * A place names a row and where its top is, so that nothing that is seen moves while rows above become known, higher
 * or lower, or more.
 */

/**
 * @typedef {object} Place
 * @property {number} index of a row
 * @property {number} y px from the top of what is seen to the row's top
 *
 * @typedef {object} Sizes
 * @property {number} count of rows
 * @property {number} view px that are seen
 * @property {number} foot px below the last row
 * @property {(index: number) => number} heightOf
 *
 * @typedef {object} Spread the rows that are seen: from `first` up to, not with, `last`
 * @property {number} first
 * @property {number} last
 * @property {number} top px from the top of what is seen to that of the first row; 0 or less, but in a short output
 * @property {number} bottom px from the top of what is seen to the end of the last row
 */

/** Never more rows at once, however low they are. */
const MOST_ROWS = 400;

/** @param {Place} place @param {Sizes} sizes @returns {Spread} */
export function spread(place, { count, view, heightOf }) {
  if (count === 0) return { first: 0, last: 0, top: 0, bottom: 0 };
  let first = Math.min(Math.max(0, place.index), count - 1);
  let top = place.y;
  for (let added = 0; first > 0 && top > 0 && added < MOST_ROWS; added += 1) top -= heightOf((first -= 1));
  while (first < count - 1 && top + heightOf(first) <= 0) top += heightOf(first++);
  let [last, bottom] = [first, top];
  while (last < count && bottom < view && last - first < MOST_ROWS) bottom += heightOf(last++);
  return { first, last, top, bottom };
}

/** @param {Sizes} sizes @returns {Place} the last row's, where all ends at the end of what is seen */
export const endOf = ({ count, view, foot, heightOf }) =>
  count === 0 ? { index: 0, y: 0 } : { index: count - 1, y: view - foot - heightOf(count - 1) };

/**
 * @param {Place} place
 * @param {Sizes} sizes
 * @returns {Place} the nearest at which neither end of the output leaves room that could be filled
 */
export function within(place, sizes) {
  if (sizes.count === 0) return place; // it is of a row that is not there yet
  let { index, y } = { index: Math.min(Math.max(0, place.index), Math.max(0, sizes.count - 1)), y: place.y };
  const low = spread({ index, y }, sizes);
  const room = sizes.view - low.bottom - sizes.foot;
  if (low.last === sizes.count && room > 0) y += room;
  const high = spread({ index, y }, sizes);
  if (high.first === 0 && high.top > 0) y -= high.top;
  return { index, y };
}
