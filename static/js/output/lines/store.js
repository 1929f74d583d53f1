/** The lines that were read, in blocks, of which the ones that were looked at last are kept. */
import { BLOCK_LINES } from "../../model/end.js";
import { Rendered } from "./rendered.js";

/** @typedef {import("./line.js").Known} Known */

const MAX_BLOCKS = 50;
const MAX_CHARACTERS = 8_000_000;

/** @param {number} number of a line @returns {number} */
export const blockOf = (number) => Math.floor((number - 1) / BLOCK_LINES);

/** @param {Known} line @returns {number} */
const sizeOf = ({ text, last }) => (text?.length ?? 0) + (last?.length ?? 0);

export class Store {
  /** @param {"written"|"terminal"} as @param {() => void} onChange */
  constructor(as, onChange) {
    Object.assign(this, { as, onChange });
    /** @type {Map<number, {lines: Map<number, Known>, rendered: Rendered, isStale: boolean}>} the last used at the end */
    this.blocks = new Map();
    this.characters = 0;
  }

  /** @param {number} number @returns {Known|undefined} */
  line(number) {
    return this.blocks.get(blockOf(number))?.lines.get(number);
  }

  /** @param {number} number @returns {import("../../model/types.js").Row|null} */
  row(number) {
    const block = this.blocks.get(blockOf(number));
    if (!block) return null;
    if (block.isStale) {
      block.isStale = false;
      block.rendered.show([...block.lines.values()].sort((a, b) => a.number - b.number), this.as);
    }
    return block.rendered.row(block.lines.get(number));
  }

  /** @param {Known[]} lines what they say replaces what was known of them */
  put(lines) {
    for (const line of lines) {
      const block = this.#use(blockOf(line.number));
      const before = block.lines.get(line.number);
      this.characters += sizeOf(line) - (before ? sizeOf(before) : 0);
      block.lines.set(line.number, line);
      block.isStale = true;
    }
    while (this.blocks.size > MAX_BLOCKS || (this.characters > MAX_CHARACTERS && this.blocks.size > 2)) this.#drop();
  }

  /** @param {number} first line @param {number} last line, not with it: looked at now */
  touch(first, last) {
    for (let index = blockOf(first); index <= blockOf(Math.max(first, last - 1)); index += 1) {
      if (this.blocks.has(index)) this.#use(index);
    }
  }

  /** @returns {boolean} whether the cursor moves between lines that were drawn */
  get moves() {
    return [...this.blocks.values()].some(({ rendered }) => rendered.moves);
  }

  /** @param {"written"|"terminal"} as how all is drawn from now on */
  draw(as) {
    this.as = as;
    for (const block of this.blocks.values()) block.isStale = true;
  }

  #use(index) {
    const block = this.blocks.get(index) ?? { lines: new Map(), rendered: new Rendered(this.onChange), isStale: false };
    this.blocks.delete(index);
    this.blocks.set(index, block);
    return block;
  }

  #drop() {
    const [[index, { lines }]] = this.blocks;
    for (const line of lines.values()) this.characters -= sizeOf(line);
    this.blocks.delete(index);
  }
}
