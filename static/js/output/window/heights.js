/** How high rows are: measured where they were drawn, taken to be a line's height elsewhere. Pure. */

/** So many are remembered: far more than anybody sees at once. */
const REMEMBERED = 5000;

export class Heights {
  /** @param {number} line the height of a row of one line, in px */
  constructor(line) {
    this.line = line;
    this.clear();
  }

  /** Forgets all that was measured, as when the rows become wider. */
  clear() {
    /** @type {Map<number, number>} */
    this.known = new Map();
    this.sum = 0;
  }

  /** @param {number} index @returns {number} in px */
  of(index) {
    return this.known.get(index) ?? this.line;
  }

  /** @param {number} index @returns {boolean} */
  has(index) {
    return this.known.has(index);
  }

  /** @param {number} index @param {number} height in px @returns {boolean} whether another was assumed */
  set(index, height) {
    const assumed = this.of(index);
    if (!this.known.has(index) && this.known.size >= REMEMBERED) this.clear();
    this.sum += height - (this.known.get(index) ?? 0);
    this.known.set(index, height);
    return assumed !== height;
  }

  /** @param {number} index of a row that says something else now */
  forget(index) {
    this.sum -= this.known.get(index) ?? 0;
    this.known.delete(index);
  }

  /** @returns {number} of a row, in px, as far as is known; at least a pixel */
  get average() {
    return this.known.size ? Math.max(1, this.sum / this.known.size) : this.line;
  }
}
