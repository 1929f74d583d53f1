/** What two texts differ in, line by line. Pure. */
import { diffArrays } from "../../vendor/diff/array.js";
import { keyOf, shownOf } from "./folding.js";

/**
 * @typedef {object} Stretch lines that follow each other
 * @property {"same"|"gone"|"added"} kind gone: only the first text has them
 * @property {number|null} left the number of the first of them in the first text, from 1
 * @property {number|null} right in the second text
 * @property {number} count of lines
 *
 * @typedef {object} Difference
 * @property {Stretch[]} stretches in order
 * @property {number} gone lines that only the first has
 * @property {number} added lines that only the second has
 * @property {boolean} rough they differ in too much to be lined up: these are the lines that the other has not at all
 */

const BOUNDS = { timeout: 3000, maxEditLength: 20_000 };

/** @param {string} text @returns {string[]} a newline at its end begins no further one */
export function linesOf(text) {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/**
 * @param {string} left
 * @param {string} right
 * @param {{times?: boolean, digits?: boolean}} [folded]
 * @param {{timeout?: number, maxEditLength?: number}} [bounds]
 * @returns {Difference}
 */
export function difference(left, right, folded = {}, bounds = BOUNDS) {
  const [before, after] = [left, right].map((text) => linesOf(text).map((line) => keyOf(shownOf(line), folded)));
  const pairs = pairsOf(before, after, bounds);
  const stretches = pairs ? stretchesOf(pairs, before.length, after.length) : onlyIn(before, after);
  const count = (kind) => stretches.reduce((sum, each) => sum + (each.kind === kind ? each.count : 0), 0);
  return { stretches, gone: count("gone"), added: count("added"), rough: pairs === null };
}

/**
 * @param {string[]} before
 * @param {string[]} after
 * @returns {[number, number][]|null} which lines are the same, from 0, ascending; null: it would take too long
 */
function pairsOf(before, after, bounds) {
  // What is the same at both ends is most of what is compared, and costs nothing this way.
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const between = pairsBetween(before.slice(start, before.length - end), after.slice(start, after.length - end), bounds);
  if (!between) return null;
  const shift = before.length - after.length;
  return [
    ...Array.from({ length: start }, (_, i) => [i, i]),
    ...between.map(([left, right]) => [left + start, right + start]),
    ...Array.from({ length: end }, (_, i) => [before.length - end + i, before.length - end + i - shift]),
  ];
}

/** A line that the other has nowhere is the same as none: without those, what is left to line up is little. */
function pairsBetween(before, after, bounds) {
  const [lefts, rights] = [common(before, after), common(after, before)];
  const parts = diffArrays(
    lefts.map((i) => before[i]),
    rights.map((i) => after[i]),
    bounds,
  );
  if (!parts) return null;
  const pairs = [];
  let [left, right] = [0, 0];
  for (const { added, removed, count } of parts) {
    for (let i = 0; !added && !removed && i < count; i += 1) pairs.push([lefts[left + i], rights[right + i]]);
    if (!added) left += count;
    if (!removed) right += count;
  }
  return pairs;
}

/** @returns {number[]} which of the lines the others have, too */
function common(lines, others) {
  const known = new Set(others);
  return lines.flatMap((line, i) => (known.has(line) ? [i] : []));
}

function stretchesOf(pairs, before, after) {
  const stretches = [];
  let [left, right] = [0, 0];
  for (const [nextLeft, nextRight] of [...pairs, [before, after]]) {
    if (nextLeft > left) stretches.push({ kind: "gone", left: left + 1, right: null, count: nextLeft - left });
    if (nextRight > right) stretches.push({ kind: "added", left: null, right: right + 1, count: nextRight - right });
    if (nextLeft === before && nextRight === after) break;
    const last = stretches.at(-1);
    if (last?.kind === "same") last.count += 1;
    else stretches.push({ kind: "same", left: nextLeft + 1, right: nextRight + 1, count: 1 });
    [left, right] = [nextLeft + 1, nextRight + 1];
  }
  return stretches;
}

function onlyIn(before, after) {
  const [had, has] = [new Set(before), new Set(after)];
  const stretches = [];
  const add = (kind, side, number) => {
    const last = stretches.at(-1);
    if (last?.kind === kind && last[side] + last.count === number) last.count += 1;
    else stretches.push({ kind, left: null, right: null, count: 1, [side]: number });
  };
  before.forEach((line, i) => has.has(line) || add("gone", "left", i + 1));
  after.forEach((line, i) => had.has(line) || add("added", "right", i + 1));
  return stretches;
}
