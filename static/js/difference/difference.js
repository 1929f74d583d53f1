/** What two texts differ in, line by line. */
import { diffArrays } from "../../vendor/diff/array.js";
import { keyOf, shownOf } from "./folding.js";

/**
 * @typedef {object} Row
 * @property {"same"|"gone"|"added"|"skipped"} kind gone: only the first has it; skipped: `count` lines are the same
 * @property {string} [text]
 * @property {number|null} [left] its number in the first, from 1
 * @property {number|null} [right] its number in the second
 * @property {number} [count]
 *
 * @typedef {object} Difference
 * @property {Row[]} rows what differs, and some lines around it; at most `MOST_ROWS`
 * @property {number} gone lines that only the first has
 * @property {number} added lines that only the second has
 * @property {boolean} rough they differ in too much to be lined up: these are the lines that the other has not at all
 * @property {boolean} cut there are more rows than that
 */

const CONTEXT = 3;
export const MOST_ROWS = 5000;
const LINE_CHARACTERS = 2000;
const BOUNDS = { timeout: 3000, maxEditLength: 20_000 };

/**
 * @param {string} left
 * @param {string} right
 * @param {{times?: boolean, digits?: boolean}} [folded]
 * @param {{timeout?: number, maxEditLength?: number}} [bounds]
 * @returns {Difference}
 */
export function difference(left, right, folded = {}, bounds = BOUNDS) {
  const [before, after] = [left, right].map((text) => linesOf(text, folded));
  const changes = align(before.keys, after.keys, bounds);
  const rows = changes ? rowsOf(changes, before.lines, after.lines) : onlyIn(before, after);
  const count = (kind) => rows.reduce((sum, row) => sum + (row.kind === kind ? 1 : 0), 0);
  const shown = changes ? around(rows) : rows;
  return {
    rows: shown.slice(0, MOST_ROWS).map(cut),
    gone: count("gone"),
    added: count("added"),
    rough: changes === null,
    cut: shown.length > MOST_ROWS,
  };
}

function linesOf(text, folded) {
  const lines = text.split("\n").map(shownOf);
  if (lines.at(-1) === "") lines.pop();
  return { lines, keys: lines.map((line) => keyOf(line, folded)) };
}

/**
 * @param {string[]} before
 * @param {string[]} after
 * @returns {{kind: "same"|"gone"|"added", count: number}[]|null} null: it would take too long
 */
function align(before, after, bounds) {
  // What is the same at both ends is most of what is compared, and costs nothing this way.
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const parts = diffArrays(before.slice(start, before.length - end), after.slice(start, after.length - end), bounds);
  if (!parts) return null;
  const between = parts.map(({ added, removed, count }) => ({
    kind: added ? "added" : removed ? "gone" : "same",
    count,
  }));
  return [{ kind: "same", count: start }, ...between, { kind: "same", count: end }];
}

function rowsOf(changes, before, after) {
  const rows = [];
  let [left, right] = [0, 0];
  for (const { kind, count } of changes) {
    for (let i = 0; i < count; i += 1) {
      const numbers = { left: kind === "added" ? null : ++left, right: kind === "gone" ? null : ++right };
      rows.push({ kind, ...numbers, text: kind === "gone" ? before[left - 1] : after[right - 1] });
    }
  }
  return rows;
}

/** Leaves out what is the same, but for some lines around what differs. */
function around(rows) {
  const near = new Uint8Array(rows.length);
  rows.forEach(({ kind }, i) => kind !== "same" && near.fill(1, Math.max(0, i - CONTEXT), i + CONTEXT + 1));
  const kept = [];
  let count = 0;
  const skip = () => {
    if (count > 0) kept.push({ kind: "skipped", count });
    count = 0;
  };
  rows.forEach((row, i) => {
    if (!near[i]) count += 1;
    else {
      skip();
      kept.push(row);
    }
  });
  skip();
  return kept;
}

function onlyIn(before, after) {
  const [had, has] = [new Set(before.keys), new Set(after.keys)];
  const gone = before.lines.flatMap((text, i) =>
    has.has(before.keys[i]) ? [] : [{ kind: "gone", left: i + 1, right: null, text }],
  );
  const added = after.lines.flatMap((text, i) =>
    had.has(after.keys[i]) ? [] : [{ kind: "added", left: null, right: i + 1, text }],
  );
  return [...gone, ...added];
}

const cut = (row) =>
  (row.text?.length ?? 0) > LINE_CHARACTERS ? { ...row, text: row.text.slice(0, LINE_CHARACTERS) + "…" } : row;
