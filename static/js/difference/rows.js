/** The rows of a difference: what is the same is left out but for some lines, and rows are made as they are seen. Pure. */
import { shownOf } from "./folding.js";

/**
 * @typedef {import("./difference.js").Stretch} Stretch
 *
 * @typedef {object} Block rows that follow each other
 * @property {"same"|"gone"|"added"|"bar"} kind bar: one row, which stands for lines that are the same
 * @property {number|null} left
 * @property {number|null} right
 * @property {number} count of lines
 * @property {boolean} [open] of a bar: the lines follow
 *
 * @typedef {object} Row
 * @property {number} index among all rows, from 0
 * @property {"same"|"gone"|"added"|"bar"} kind
 * @property {number|null} left
 * @property {number|null} right
 * @property {string} [text]
 * @property {number} [count] of a bar
 * @property {boolean} [open]
 */

/** Lines around what differs. */
const CONTEXT = 3;
const LINE_CHARACTERS = 2000;

/**
 * @param {Stretch[]} stretches
 * @param {Set<number>} opened the bars that were opened, by their `left`
 * @returns {Block[]}
 */
export const blocksOf = (stretches, opened) =>
  stretches.flatMap((stretch, i) => {
    if (stretch.kind !== "same") return [stretch];
    const before = i === 0 ? 0 : CONTEXT;
    const hidden = stretch.count - before - (i === stretches.length - 1 ? 0 : CONTEXT);
    if (hidden <= 1) return [stretch];
    const from = (skipped, count) => ({
      ...{ kind: "same", count },
      ...{ left: stretch.left + skipped, right: stretch.right + skipped },
    });
    const open = opened.has(stretch.left + before);
    return [
      from(0, before),
      { ...from(before, hidden), kind: "bar", open },
      ...(open ? [from(before, hidden)] : []),
      from(before + hidden, stretch.count - before - hidden),
    ].filter(({ count }) => count > 0);
  });

const rowsOf = ({ kind, count }) => (kind === "bar" ? 1 : count);

/** @param {Block[]} blocks @returns {number} of rows */
export const rowCount = (blocks) => blocks.reduce((sum, block) => sum + rowsOf(block), 0);

/** @param {Block[]} blocks @returns {number[]} the rows with which something else begins to differ */
export function changesOf(blocks) {
  const starts = [];
  let index = 0;
  blocks.forEach((block, i) => {
    const differs = block.kind === "gone" || block.kind === "added";
    const goesOn = block.kind === "added" && blocks[i - 1]?.kind === "gone";
    if (differs && !goesOn) starts.push(index);
    index += rowsOf(block);
  });
  return starts;
}

/**
 * @param {Block[]} blocks
 * @param {number} from row
 * @param {number} to row, not with it
 * @param {{before: string[], after: string[]}} lines of both texts, as they were written
 * @returns {Row[]}
 */
export function rowsIn(blocks, from, to, { before, after }) {
  const rows = [];
  let index = 0;
  for (const block of blocks) {
    const first = Math.max(0, from - index);
    const last = Math.min(rowsOf(block), to - index);
    for (let i = first; i < last; i += 1) rows.push({ index: index + i, ...rowOf(block, i, before, after) });
    index += rowsOf(block);
    if (index >= to) break;
  }
  return rows;
}

function rowOf(block, i, before, after) {
  const { kind, left, right } = block;
  if (kind === "bar") return block;
  const text = kind === "gone" ? before[left + i - 1] : after[right + i - 1];
  return { kind, left: left && left + i, right: right && right + i, text: cut(shownOf(text)) };
}

const cut = (text) => (text.length > LINE_CHARACTERS ? text.slice(0, LINE_CHARACTERS) + "…" : text);
