/** One line that is being written: text can be put over text, as progress bars do. Pure. */
import { columns, part } from "./width.js";

/** @typedef {{text: string, style: import("./style.js").Style|null}} Segment */

/** How far to the right of what is written the cursor can go: no terminal is wider, and blanks cost memory. */
const MAX_BLANK_COLUMN = 1023;

export class Line {
  constructor() {
    /** @type {Segment[]} */
    this.segments = [];
    /** In columns, as `column`. */
    this.length = 0;
    this.column = 0;
  }

  /**
   * Writes at the column; what is there is replaced, and what was jumped over is blank.
   * @param {string} text
   * @param {import("./style.js").Style|null} style
   */
  write(text, style) {
    if (this.column > this.length) this.#append(" ".repeat(this.column - this.length), null);
    const end = this.column + columns(text, this.column);
    if (this.column < this.length) this.#cutOut(this.column, end, [{ text, style }]);
    else this.#append(text, style);
    this.column = end;
  }

  /** @param {number} column from 0 */
  moveTo(column) {
    this.column = Math.min(Math.max(0, column), Math.max(this.length, MAX_BLANK_COLUMN));
  }

  /**
   * Erases (ECMA-48 EL); the cursor stays.
   * @param {number} what 0: from the cursor to the end, 1: from the start up to what is under the cursor, 2: all
   */
  erase(what) {
    const under = this.column + 1;
    if (what === 2 || (what === 1 && under >= this.length)) this.#cutOut(0, this.length, []);
    else if (what === 0) this.#cutOut(this.column, this.length, []);
    else if (what === 1) this.#cutOut(0, under, [{ text: " ".repeat(under), style: null }]);
  }

  #append(text, style) {
    const last = this.segments.at(-1);
    this.length += columns(text, this.length);
    if (last && last.style === style) last.text += text;
    else this.segments.push({ text, style });
  }

  #cutOut(from, to, instead) {
    const segments = [...this.#part(0, from), ...instead, ...this.#part(to, this.length)];
    this.segments = [];
    this.length = 0;
    for (const { text, style } of segments) if (text) this.#append(text, style);
  }

  /** @returns {Segment[]} */
  #part(from, to) {
    const parts = [];
    let start = 0;
    for (const { text, style } of this.segments) {
      const kept = from < to ? part(text, start, from, to) : "";
      if (kept) parts.push({ text: kept, style });
      start += columns(text, start);
    }
    return parts;
  }
}
