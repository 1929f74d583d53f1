/** When lines were written: marks, fetched by blocks of lines, of which a few are kept. */

/** @typedef {[offset: number, line: number, time: number]} Mark the bytes from there on were first seen at that time */

export const BLOCK_LINES = 200;
export const KEPT_BLOCKS = 50;
/** Marks of a block come in so many parts at most: a thousand marks each. */
const MOST_PARTS = 10;
/** The end of what grows is asked for again after so long; so is what could not be had. */
const AGAIN_MS = 500;
const FAILED_MS = 3000;

const blockOf = (line) => Math.floor((line - 1) / BLOCK_LINES);
const firstOf = (block) => block * BLOCK_LINES + 1;
const lastOf = (block) => (block + 1) * BLOCK_LINES;

export class LineMarks {
  /**
   * @param {(first: number, last: number, options: {signal: AbortSignal}) => Promise<{items: Mark[], next: number|null}>}
   * read marks of lines from the server
   * @param {() => void} onChange more is known
   */
  constructor(read, onChange) {
    Object.assign(this, { read, onChange, timer: 0, wish: [1, 0, 0] });
    /** @type {Map<number, {marks: Mark[], known: number}>} by block, the one used last at the end */
    this.blocks = new Map();
    /** @type {Map<number, AbortController>} by block, what is asked for now */
    this.asked = new Map();
    /** @type {Map<number, number>} by block, before when it is not asked for again */
    this.notBefore = new Map();
  }

  /** Sees to it that the times of lines come; what was wished before and is not any more is let go. */
  want(first, last, count) {
    this.wish = [first, last, count];
    const wanted = [];
    for (let block = blockOf(first); block <= blockOf(last); block += 1) wanted.push(block);
    for (const [block, asked] of this.asked) if (!wanted.includes(block)) asked.abort();
    for (const block of wanted) this.#wantBlock(block, Math.min(last, lastOf(block), count), count);
  }

  /**
   * @param {number} line
   * @param {number|null} offset of its first byte, where that is known
   * @returns {number|null} when it was begun, in unix seconds; null: not known
   */
  timeOf(line, offset = null) {
    const block = this.blocks.get(blockOf(line));
    if (line < 1 || !block || block.known < line) return null;
    const { marks } = block;
    let [low, high] = [0, marks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const [at, of] = marks[middle];
      if (offset === null ? of < line : at <= offset) low = middle + 1;
      else high = middle;
    }
    // Without an offset, the first mark in the line is taken to be at its start.
    const found = offset === null && marks[low]?.[1] === line ? marks[low] : marks[low - 1];
    return found ? found[2] : null;
  }

  dispose() {
    clearTimeout(this.timer);
    for (const asked of this.asked.values()) asked.abort();
  }

  #wantBlock(block, needed, count) {
    const kept = this.blocks.get(block);
    if (kept) {
      this.blocks.delete(block);
      this.blocks.set(block, kept);
    }
    if (needed < firstOf(block) || (kept?.known ?? 0) >= needed || this.asked.has(block)) return;
    const wait = (this.notBefore.get(block) ?? 0) - Date.now();
    if (wait > 0) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.want(...this.wish), wait);
      return;
    }
    this.#ask(block, Math.min(lastOf(block), count));
  }

  async #ask(block, known) {
    const asked = new AbortController();
    this.asked.set(block, asked);
    let pause = AGAIN_MS;
    try {
      // From the line before on, whose time the first line's is compared with.
      const marks = await this.#parts(Math.max(1, firstOf(block) - 1), lastOf(block), asked.signal);
      this.#keep(block, { marks, known });
    } catch {
      pause = FAILED_MS;
    }
    if (this.asked.get(block) === asked) this.asked.delete(block);
    this.notBefore.set(block, asked.signal.aborted ? 0 : Date.now() + pause);
    if (asked.signal.aborted) return;
    this.onChange();
    this.want(...this.wish);
  }

  async #parts(first, last, signal) {
    const marks = [];
    let from = first;
    for (let part = 0; part < MOST_PARTS && from !== null && from <= last; part += 1) {
      const { items, next } = await this.read(from, last, { signal });
      marks.push(...items.filter(([offset]) => !marks.length || offset > marks.at(-1)[0]));
      from = next;
    }
    return marks;
  }

  #keep(block, value) {
    this.blocks.delete(block);
    this.blocks.set(block, value);
    for (const old of [...this.blocks.keys()].slice(0, -KEPT_BLOCKS)) this.blocks.delete(old);
    for (const old of this.notBefore.keys()) if (!this.blocks.has(old)) this.notBefore.delete(old);
  }
}
