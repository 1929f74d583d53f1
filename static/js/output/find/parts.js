/** How the hits of a search lie in its output: of each part with hits its first one. Pure. */

/** @typedef {{line: number, first: number, hits: number}} Part first: how many hits lie before it */

export class Parts {
  constructor() {
    /** @type {Part[]} ascending */
    this.items = [];
  }

  /** @param {[number, number][]} histogram parts that follow: the line of the first hit, and how many there are */
  add(histogram) {
    for (const [line, hits] of histogram) {
      const before = this.items.at(-1);
      this.items.push({ line, hits, first: before ? before.first + before.hits : 0 });
    }
  }

  /** @returns {number} the first line of the last part, 0 while there is none */
  get last() {
    return this.items.at(-1)?.line ?? 0;
  }

  /** @param {number} line @returns {Part|null} the last part that begins at or before it */
  ofLine(line) {
    return this.items.findLast((part) => part.line <= line) ?? null;
  }

  /** @param {number} ordinal @returns {Part|null} the part that has it */
  ofOrdinal(ordinal) {
    return this.items.findLast((part) => part.first <= ordinal) ?? null;
  }
}
