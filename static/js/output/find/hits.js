/**
 * The lines of an output that a search has found: how many, which is where, and what each says. They are counted from
 * start to end, a call after the other, and what the run writes later is counted on; a call for some of them looks at
 * a part of the output alone, and comes before the counting: the server looks at an output for one of them at a time.
 */
import { Parts } from "./parts.js";

/**
 * @typedef {object} Hit
 * @property {number} line
 * @property {number} offset
 * @property {number} text_offset
 * @property {string} text
 * @property {number} start
 * @property {number} end
 * @property {string[]} before lines before it
 * @property {string[]} after lines after it
 *
 * @typedef {object} Block hits that are there; `previous`: the one before them, where lines around them are asked for
 * @property {Hit|null} previous
 * @property {Hit[]} hits
 *
 * @typedef {object} Answer
 * @property {Hit[]} items
 * @property {number} count
 * @property {boolean} complete
 * @property {string|null} next
 * @property {number} size
 * @property {[number, number][]} histogram
 *
 * @typedef {(values: object, options: {signal: AbortSignal}) => Promise<Answer>} Ask searches with these parameters
 */

const PARTS = 200;
/** Hits that are fetched together, and how many such blocks are kept. */
export const BLOCK = 50;
const KEPT_BLOCKS = 20;
const GROWTH_MS = 1000;

export class Hits {
  /** @param {Ask} ask @param {() => void} onChange more is known */
  constructor(ask, onChange) {
    Object.assign(this, { ask, onChange, count: 0, complete: false, problem: null, cursor: null, size: 0, timer: 0 });
    this.parts = new Parts();
    this.abort = new AbortController();
    /** How many lines around each are told. */
    this.context = 0;
    /** @type {Map<number, Block>} by their number */
    this.blocks = new Map();
    /** @type {Set<number>} the numbers of blocks that are fetched because they are looked at */
    this.wanted = new Set();
    /** How many hits somebody waits for, and what lets the counting go on once it is none. */
    Object.assign(this, { waited: 0, goOn: () => {}, isCounting: false });
    this.counting = this.#count();
  }

  /** The output has grown to `size` bytes. @param {number} size */
  grow(size) {
    if (!this.complete || this.cursor === null || size <= this.size || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.counting = this.#count();
    }, GROWTH_MS);
  }

  /** @param {number} context how many lines around each are told from now on */
  setContext(context) {
    if (context === this.context) return;
    this.context = context;
    this.blocks.clear();
    this.wanted = new Set(); // what is under way has other lines around it
    this.onChange();
  }

  /** @param {number} line @returns {Promise<Hit|null>} the first hit from that line on, or else of all; null: there is none */
  from(line) {
    return this.#waitedFor(async () => (line > 1 && (await this.#firstFrom(line))) || this.#firstOfAll());
  }

  /** @param {number} line @returns {Promise<Hit|null>} the last hit before that line; null: there is none */
  async before(line) {
    await this.#counted(line);
    const ordinal = await this.ordinalOf(line);
    return ordinal ? this.at(ordinal - 1) : null;
  }

  /** @returns {Promise<Hit|null>} */
  async last() {
    await this.counting;
    return this.count ? this.at(this.count - 1) : null;
  }

  /** @param {number} line @returns {Promise<number>} how many hits lie before it */
  async ordinalOf(line) {
    const part = this.parts.ofLine(line);
    if (!part || part.line >= line) return part?.first ?? 0;
    let [values, count] = [{ from: part.line, until: line - 1, limit: 0 }, 0];
    for (let more = true; more; ) {
      const answer = await this.#ask(values);
      count = answer.count;
      more = !answer.complete && answer.next !== null;
      values = { cursor: answer.next, until: line - 1, limit: 0 };
    }
    return part.first + count;
  }

  /** @param {number} ordinal from 0, below `count` @returns {Promise<Hit|null>} */
  async at(ordinal) {
    const hits = await this.#block(Math.floor(ordinal / BLOCK));
    return hits[ordinal % BLOCK] ?? null;
  }

  /** @param {number} ordinal @returns {Hit|null} if it is there already */
  known(ordinal) {
    return this.blocks.get(Math.floor(ordinal / BLOCK))?.hits[ordinal % BLOCK] ?? null;
  }

  /** Fetches hits that are looked at. @param {number} first @param {number} last not with it */
  async want(first, last) {
    const { wanted } = this;
    for (let block = Math.floor(first / BLOCK); block * BLOCK < Math.min(last, this.count); block += 1) {
      if (wanted.has(block) || this.#isWhole(block)) continue;
      wanted.add(block);
      try {
        await this.#block(block);
      } catch (problem) {
        if (this.abort.signal.aborted) return;
        this.problem = problem;
        this.onChange();
      }
      wanted.delete(block);
    }
  }

  dispose() {
    clearTimeout(this.timer);
    this.abort.abort();
    this.goOn();
  }

  /**
   * Has the counting wait.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #waitedFor(work) {
    this.waited += 1;
    try {
      return await work();
    } finally {
      this.waited -= 1;
      if (this.waited === 0) this.goOn();
    }
  }

  async #firstFrom(line) {
    let values = { from: line, limit: 1 };
    for (;;) {
      const { items, complete, next } = await this.#ask(values);
      if (items.length || complete || next === null) return items[0] ?? null;
      values = { cursor: next, limit: 1 };
    }
  }

  /** What is looked at for it counts. */
  async #firstOfAll() {
    while (!this.isCounting && !this.complete && this.count === 0) {
      const [hit] = await this.#countOn(1);
      if (hit || this.complete) return hit ?? null;
    }
    return this.#firstFrom(1);
  }

  /** The last block may have been cut short when it was fetched: the count has grown since. */
  #isWhole(block) {
    const known = this.blocks.get(block)?.hits.length;
    return known !== undefined && (known === BLOCK || block * BLOCK + known >= this.count);
  }

  async #block(block) {
    if (this.#isWhole(block)) return this.blocks.get(block).hits;
    const { context } = this;
    const lead = context && block ? 1 : 0;
    const hits = await this.#waitedFor(() => this.#fetch(block * BLOCK - lead, BLOCK + lead));
    const previous = lead ? hits.shift() : null;
    if (context === this.context) this.#keep(block, { previous, hits });
    return hits;
  }

  /** @param {number} first ordinal @param {number} limit @returns {Promise<Hit[]>} */
  async #fetch(first, limit) {
    const part = this.parts.ofOrdinal(first);
    const { context } = this;
    const hits = [];
    let values = { from: part?.line ?? 1, skip: first - (part?.first ?? 0), limit, context };
    for (let more = true; more; ) {
      const { items, complete, next, count } = await this.#ask(values);
      hits.push(...items);
      more = !complete && next !== null && hits.length < limit;
      const skip = hits.length ? 0 : Math.max(0, first - (part?.first ?? 0) - count);
      values = { cursor: next, skip, limit: limit - hits.length, context };
    }
    return hits;
  }

  #keep(number, block) {
    this.blocks.delete(number);
    this.blocks.set(number, block);
    for (const oldest of this.blocks.keys()) {
      if (this.blocks.size <= KEPT_BLOCKS) break;
      this.blocks.delete(oldest);
    }
    this.onChange();
  }

  /** Counts to the end. */
  async #count() {
    this.complete = false;
    try {
      while (!this.complete) {
        await this.#unwaited();
        if (!this.complete) await this.#countOn(0);
      }
    } catch (problem) {
      if (this.abort.signal.aborted) return;
      this.problem = problem;
      this.onChange();
    }
  }

  /** Waits until nobody waits for a hit; what is asked for at once comes before the counting begins. */
  async #unwaited() {
    await null;
    while (this.waited > 0 && !this.abort.signal.aborted) await new Promise((goOn) => Object.assign(this, { goOn }));
  }

  /** Counts on, until so many hits are found; 0: as far as a call goes. @param {number} limit @returns {Promise<Hit[]>} */
  async #countOn(limit) {
    this.isCounting = true;
    try {
      const answer = await this.#ask({ limit, histogram: PARTS, ...(this.cursor && { cursor: this.cursor }) });
      this.parts.add(answer.histogram);
      Object.assign(this, { count: answer.count, complete: answer.complete, cursor: answer.next, size: answer.size });
      this.onChange();
      return answer.items;
    } finally {
      this.isCounting = false;
    }
  }

  /** Waits until hits up to a line are counted. */
  async #counted(line) {
    if (this.parts.last < line) await this.counting;
  }

  #ask(values) {
    return this.ask(values, { signal: this.abort.signal });
  }
}
