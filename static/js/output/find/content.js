/**
 * Nothing but the lines that match, and lines around them, as rows of a window.
 *
 * What a block of hits takes is known once it is there: how many rows its context is depends on how near its hits are.
 * Until then each hit is taken to be as many as it can be. A window keeps its place by the line when that changes.
 */
import { t } from "../../words/words.js";
import { renderLines } from "../terminal/render.js";
import { BLOCK } from "./hits.js";
import { entriesOf } from "./stretches.js";

/**
 * @typedef {import("../../model/types.js").Row} Row
 * @typedef {import("./hits.js").Hits} Hits
 * @typedef {import("./stretches.js").Entry} Entry
 *
 * @typedef {object} Laid a block whose rows are known
 * @property {number} index of its first row
 * @property {number} ordinal of its first hit
 * @property {number} end the ordinal behind its last hit
 * @property {Entry[]} entries
 */

export class HitLines {
  /** @param {Hits} hits */
  constructor(hits) {
    Object.assign(this, { hits, onChange: () => {} });
    /** @type {WeakMap<Entry, Row>} */
    this.drawn = new WeakMap();
    /** @type {WeakMap<object, {isLast: boolean, entries: Entry[]}>} by the block that they are of */
    this.entries = new WeakMap();
  }

  get count() {
    return this.#indexOfOrdinal(this.hits.count);
  }

  /** @param {number} first @param {number} last not with it @returns {(Row|null)[]} */
  rows(first, last) {
    const rows = [];
    for (let index = first; index < last; index += 1) rows.push(this.#row(this.#find(index).entry));
    return rows;
  }

  /** @param {number} first @param {number} last not with it */
  want(first, last) {
    if (first < last) this.hits.want(this.#find(first).ordinal, this.#find(last - 1).ordinal + 1);
  }

  /** @param {number} index @returns {number} its line; while that is not known, one at or before it */
  lineOf(index) {
    const { entry, ordinal } = this.#find(index);
    if (entry) return entry.line;
    const part = this.hits.parts.ofOrdinal(ordinal);
    return part ? part.line + ordinal - part.first : ordinal + 1;
  }

  /** @param {number} line @returns {number} */
  indexOf(line) {
    const laid = this.#laid();
    const near = laid.findLast(({ entries }) => entries[0]?.line <= line);
    if (near) {
      const isWithin = line <= near.entries.at(-1).line || laid.some(({ ordinal }) => ordinal === near.end);
      if (isWithin) return near.index + near.entries.findLastIndex((entry) => entry.line <= line);
    }
    return this.#indexOfOrdinal(Math.max(this.hits.parts.ofLine(line)?.first ?? 0, near?.end ?? 0));
  }

  /** How many rows a hit has at most: itself, the lines around it, and what stands for those left out before. */
  get #stride() {
    return this.hits.context ? 2 * this.hits.context + 2 : 1;
  }

  /** @returns {Laid[]} ascending */
  #laid() {
    const laid = [];
    let [index, after] = [0, 0];
    for (const number of [...this.hits.blocks.keys()].sort((one, other) => one - other)) {
      const block = this.hits.blocks.get(number);
      const ordinal = number * BLOCK;
      index += (ordinal - after) * this.#stride;
      after = ordinal + block.hits.length;
      const entries = this.#entriesOf(block, after === this.hits.count);
      laid.push({ index, ordinal, end: after, entries });
      index += entries.length;
    }
    return laid;
  }

  #entriesOf(block, isLast) {
    const known = this.entries.get(block);
    if (known?.isLast === isLast) return known.entries;
    const entries = entriesOf([block.previous, ...block.hits], { context: this.hits.context, isLast });
    this.entries.set(block, { isLast, entries });
    return entries;
  }

  /** @returns {{entry?: Entry, ordinal: number}} what a row shows, if that is known, and a hit it is of or near to */
  #find(index) {
    const near = this.#laid().findLast((one) => one.index <= index);
    const within = index - (near?.index ?? 0);
    if (near && within < near.entries.length) return { entry: near.entries[within], ordinal: near.ordinal };
    return { ordinal: (near?.end ?? 0) + Math.floor((within - (near?.entries.length ?? 0)) / this.#stride) };
  }

  #indexOfOrdinal(ordinal) {
    const near = this.#laid().findLast((one) => one.ordinal <= ordinal);
    if (!near) return ordinal * this.#stride;
    if (ordinal >= near.end) return near.index + near.entries.length + (ordinal - near.end) * this.#stride;
    let left = ordinal - near.ordinal;
    return near.index + near.entries.findIndex(({ hit }) => hit && left-- === 0);
  }

  /** @param {Entry|undefined} entry @returns {Row|null} */
  #row(entry) {
    if (!entry) return null;
    if (!this.drawn.has(entry)) {
      const row = this.#draw(entry);
      // A line with control bytes is there a moment later, once they can be drawn.
      if (row instanceof Promise) {
        row.then((drawn) => {
          this.drawn.set(entry, drawn);
          this.onChange();
        });
        return null;
      }
      this.drawn.set(entry, row);
    }
    return this.drawn.get(entry);
  }

  /** @param {Entry} entry @returns {Row|Promise<Row>} */
  #draw({ line: number, hit, text, gap }) {
    if (gap) {
      const spans = [{ text: t("find.left-out", { count: gap }) }];
      return { number, offset: null, spans, rest: 0, whole: true, beside: "gap" };
    }
    const line = { number, offset: hit?.offset ?? null, text: hit?.text ?? text, rest: 0, whole: true };
    const rows = renderLines([line], { as: "written" });
    const told = ([row]) => (hit ? row : { ...row, beside: "context" });
    return Array.isArray(rows) ? told(rows) : rows.then(told);
  }
}
