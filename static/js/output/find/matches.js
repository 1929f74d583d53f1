/** Where a pattern matches in a row. Pure. */

/** More in one row are not told apart by anybody. */
const MOST_IN_ROW = 200;

/** @param {RegExp} pattern @param {string} text @returns {import("./matcher.js").Found} */
export function matchesIn(pattern, text) {
  const found = [];
  for (const match of text.matchAll(pattern)) {
    if (found.length >= MOST_IN_ROW) break;
    if (match[0]) found.push([match.index, match.index + match[0].length]);
  }
  return found;
}
