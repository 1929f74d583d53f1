/** Nothing but the lines that match, as rows of a window. */
import { renderLines } from "../terminal/render.js";

/** @typedef {import("../../model/types.js").Row} Row @typedef {import("./hits.js").Hits} Hits */

export class HitLines {
  /** @param {Hits} hits */
  constructor(hits) {
    Object.assign(this, { hits, onChange: () => {} });
    /** @type {WeakMap<import("./hits.js").Hit, Row>} */
    this.drawn = new WeakMap();
  }

  get count() {
    return this.hits.count;
  }

  /** @param {number} first @param {number} last not with it @returns {(Row|null)[]} */
  rows(first, last) {
    const rows = [];
    for (let ordinal = first; ordinal < last; ordinal += 1) rows.push(this.#row(ordinal));
    return rows;
  }

  /** @param {number} first @param {number} last not with it */
  want(first, last) {
    this.hits.want(first, last);
  }

  /** @param {number} index @returns {number} its line; while that is not known, one at or before it */
  lineOf(index) {
    const part = this.hits.parts.ofOrdinal(index);
    return this.hits.known(index)?.line ?? (part ? part.line + index - part.first : index + 1);
  }

  /** @param {number} line @returns {number} */
  indexOf(line) {
    const part = this.hits.parts.ofLine(line);
    if (!part) return 0;
    let index = part.first;
    while (index + 1 < part.first + part.hits && (this.hits.known(index + 1)?.line ?? Infinity) <= line) index += 1;
    return index;
  }

  #row(ordinal) {
    const hit = this.hits.known(ordinal);
    if (!hit) return null;
    if (!this.drawn.has(hit)) {
      const line = { number: hit.line, offset: hit.offset, text: hit.text, rest: 0, whole: true };
      const rows = renderLines([line], { as: "written" });
      // A line with control bytes is there a moment later, once they can be drawn.
      if (!Array.isArray(rows)) {
        rows.then(([row]) => {
          this.drawn.set(hit, row);
          this.onChange();
        });
        return null;
      }
      this.drawn.set(hit, rows[0]);
    }
    return this.drawn.get(hit);
  }
}
