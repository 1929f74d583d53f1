/**
 * Whether a viewer has caught up: it has shown all that had been written a second ago. No clock but the page's own is
 * asked, and what was written since does not make it late. Pure.
 */

const GRACE_MS = 1000;
/** So many sizes that are not reached yet; beyond, the newest are left out. */
const MAX_SIZES = 50;

export class Debt {
  constructor() {
    /** @type {{size: number, at: number}[]} that were heard of and are not reached, in order */
    this.sizes = [];
    this.next = 0;
  }

  /** The output has this size. @param {number} size in bytes @param {number} now by performance.now() */
  written(size, now) {
    const last = this.sizes.at(-1)?.size ?? this.next;
    if (size > last && this.sizes.length < MAX_SIZES) this.sizes.push({ size, at: now });
  }

  /** All before this offset is shown. @param {number} next */
  reached(next) {
    this.next = next;
    while (this.sizes.length && this.sizes[0].size <= next) this.sizes.shift();
  }

  /** @returns {number|null} from when on it is late, by performance.now(); null: it has caught up */
  get lateFrom() {
    return this.sizes.length ? this.sizes[0].at + GRACE_MS : null;
  }
}
