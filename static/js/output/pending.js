/** Output that was received and is not shown yet: a bounded queue, cut into slices. Pure. */

/** @typedef {import("../model/types.js").OutputFrame} OutputFrame */

export class Pending {
  /** @param {{characters: number, lines: number}} bounds */
  constructor(bounds) {
    this.bounds = bounds;
    this.clear();
  }

  clear() {
    /** @type {OutputFrame[]} */
    this.frames = [];
    this.position = 0;
    this.characters = 0;
  }

  /** @param {OutputFrame} frame */
  push(frame) {
    this.frames.push(frame);
    this.characters += frame.text.length;
  }

  get empty() {
    return this.frames.length === 0;
  }

  /** @returns {boolean} whether it holds more than its bounds */
  get over() {
    const [first] = this.frames;
    return (
      this.characters > this.bounds.characters || (first && this.frames.at(-1).line - first.line > this.bounds.lines)
    );
  }

  /** @returns {boolean} whether a paused source may resume */
  get wantsMore() {
    const { frames, bounds } = this;
    const lines = frames.length ? frames.at(-1).line - frames[0].line : 0;
    return this.characters < bounds.characters / 2 && lines < bounds.lines / 2;
  }

  /**
   * Drops the oldest frames until it is within its bounds, but never the last.
   * @returns {number|null} the line that is now its first; null: nothing was dropped
   */
  dropOldest() {
    let dropped = false;
    while (this.over && this.frames.length > 1) {
      this.characters -= this.frames.shift().text.length;
      this.position = 0;
      dropped = true;
    }
    return dropped ? this.frames[0].line : null;
  }

  /**
   * @param {number} length
   * @returns {string} about that many of the oldest characters, cut after a line where one ends there
   */
  take(length) {
    const [{ text }] = this.frames;
    const newline = text.indexOf("\n", this.position + length);
    const wanted = newline === -1 || newline > this.position + 2 * length ? this.position + length : newline + 1;
    const end = Math.min(text.length, wanted);
    const slice = text.slice(this.position, end);
    this.position = end;
    if (end === text.length) {
      this.frames.shift();
      this.characters -= text.length;
      this.position = 0;
    }
    return slice;
  }
}
