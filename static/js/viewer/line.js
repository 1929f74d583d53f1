/** One line that is being written: text can be put over text, as progress bars do. Pure. */

/** @typedef {{text: string, style: import("./style.js").Style|null}} Segment */

export class Line {
  constructor() {
    /** @type {Segment[]} */
    this.segments = [];
    this.length = 0;
    this.column = 0;
  }

  /**
   * Writes at the column; what is there is replaced.
   * @param {string} text
   * @param {import("./style.js").Style|null} style
   */
  write(text, style) {
    if (this.column < this.length) this.#cutOut(this.column, this.column + text.length, [{ text, style }]);
    else this.#append(text, style);
    this.column += text.length;
  }

  /** @param {number} column from 0; beyond the end, the end */
  moveTo(column) {
    this.column = Math.min(Math.max(0, column), this.length);
  }

  /** @param {number} what 0: from the column to the end, 1: from the start to the column, 2: all (ECMA-48 EL) */
  erase(what) {
    if (what === 0) this.#cutOut(this.column, this.length, []);
    if (what === 1) this.#cutOut(0, this.column, [{ text: " ".repeat(this.column), style: null }]);
    if (what === 2) {
      this.segments = [];
      this.length = 0;
      this.column = 0;
    }
  }

  #append(text, style) {
    const last = this.segments.at(-1);
    if (last && last.style === style) last.text += text;
    else this.segments.push({ text, style });
    this.length += text.length;
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
      const part = text.slice(Math.max(0, from - start), Math.max(0, to - start));
      if (part) parts.push({ text: part, style });
      start += text.length;
    }
    return parts;
  }
}
