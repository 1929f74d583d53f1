/**
 * Rows as elements, in blocks that are dropped whole. Text becomes text nodes only.
 *
 * A block out of sight costs the browser no layout (`content-visibility` in the stylesheet).
 */
import { rowsText } from "./copy.js";

/** @typedef {import("./terminal.js").Row} Row */

const BLOCK_ROWS = 200;
const BLOCK_COST = 64_000;
const SEGMENT_COST = 64;

/**
 * @param {Row} row
 * @returns {number} about what it takes in memory, in characters; styled stretches cost more than their text
 */
function costOf(row) {
  let cost = SEGMENT_COST;
  for (const { text } of row.segments) cost += text.length + SEGMENT_COST;
  return cost;
}

/** @param {Row} row @returns {HTMLElement} */
export function rowElement(row) {
  const element = document.createElement("div");
  element.className = "out-row";
  if (row.line !== null) element.dataset.line = String(row.line);
  for (const { text, style } of row.segments) element.append(style ? styled(text, style) : text);
  return element;
}

function styled(text, style) {
  const span = document.createElement("span");
  span.textContent = text;
  if (style.className) span.className = style.className;
  if (style.color) span.style.color = style.color;
  if (style.background) span.style.backgroundColor = style.background;
  return span;
}

/** @typedef {{element: HTMLElement, rows: number, cost: number, firstLine: number}} Block */

export class Rows {
  /**
   * @param {HTMLElement} host
   * @param {{rows: number, cost: number}} bounds
   */
  constructor(host, bounds) {
    this.host = host;
    this.bounds = bounds;
    this.clear();
  }

  clear() {
    /** @type {Block[]} */
    this.blocks = [];
    this.rows = 0;
    this.cost = 0;
    this.lastLine = 0;
    this.host.replaceChildren();
  }

  /** @returns {boolean} whether the bounds are reached */
  get full() {
    return this.rows >= this.bounds.rows || this.cost >= this.bounds.cost;
  }

  /** @returns {number|null} the number of the first line that is shown */
  get firstLine() {
    return this.blocks[0]?.firstLine ?? null;
  }

  /** @param {Row[]} rows */
  append(rows) {
    for (const row of rows) {
      this.lastLine = row.line ?? this.lastLine;
      const block = this.#openBlock();
      const cost = costOf(row);
      block.element.append(rowElement(row));
      block.rows += 1;
      block.cost += cost;
      this.rows += 1;
      this.cost += cost;
    }
    this.host.style.setProperty("--gutter", `${Math.max(3, String(this.lastLine).length)}ch`);
  }

  /**
   * Drops the oldest blocks until at most this share of the bounds is used.
   * @param {number} part 0 to 1
   * @returns {boolean} whether any went
   */
  dropOldest(part) {
    const { rows, cost } = this.bounds;
    const before = this.blocks.length;
    while (this.blocks.length > 1 && (this.rows > rows * part || this.cost > cost * part)) {
      const block = this.blocks.shift();
      block.element.remove();
      this.rows -= block.rows;
      this.cost -= block.cost;
    }
    return this.blocks.length < before;
  }

  /** @returns {string} what is shown, as plain text */
  text() {
    return rowsText(this.host.querySelectorAll(".out-row"), (row) => row.textContent);
  }

  #openBlock() {
    const last = this.blocks.at(-1);
    if (last && last.rows < BLOCK_ROWS && last.cost < BLOCK_COST) return last;
    if (last) last.element.style.containIntrinsicBlockSize = `auto calc(${last.rows} * var(--output-line))`;
    const element = document.createElement("div");
    element.className = "out-block";
    this.host.append(element);
    const block = { element, rows: 0, cost: 0, firstLine: this.lastLine };
    this.blocks.push(block);
    return block;
  }
}
