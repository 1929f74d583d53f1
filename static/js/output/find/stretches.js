/** The rows of lines that match and of the lines around them: each line once, and a sign where lines are left out. Pure. */

/**
 * @typedef {import("./hits.js").Hit} Hit
 *
 * @typedef {object} Entry what a row shows, of one of these
 * @property {number} line its number; of a gap, the first one left out
 * @property {Hit} [hit]
 * @property {string} [text] of a line beside one that matches
 * @property {number} [gap] how many lines are left out
 */

/**
 * @param {(Hit|null)[]} hits that follow one another; first the one before them, null where there is none
 * @param {{context: number, isLast: boolean}} how context: lines around each; isLast: no hit follows
 * @returns {Entry[]} in ascending lines, from behind the first one's on
 */
export function entriesOf([previous, ...hits], { context, isLast }) {
  const entries = [];
  let last = previous;
  for (const hit of hits) {
    if (context) entries.push(...between(last, hit));
    entries.push({ line: hit.line, hit });
    last = hit;
  }
  if (context && isLast && last) entries.push(...numbered(last.after, last.line + 1));
  return entries;
}

/** @param {Hit|null} previous @param {Hit} hit @returns {Entry[]} */
function between(previous, hit) {
  const after = previous ? numbered(previous.after, previous.line + 1).filter(({ line }) => line < hit.line) : [];
  const next = previous ? previous.line + after.length + 1 : 1;
  const before = numbered(hit.before, hit.line - hit.before.length).filter(({ line }) => line >= next);
  const gap = (before[0]?.line ?? hit.line) - next;
  return [...after, ...(previous && gap > 0 ? [{ line: next, gap }] : []), ...before];
}

const numbered = (texts, first) => texts.map((text, index) => ({ line: first + index, text }));
