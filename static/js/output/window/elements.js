/**
 * The elements of the rows that are drawn: as many as are seen, and used again for others, where they stand if that can
 * be. What a browser lays out anew is garbage later, of which it keeps tens of megabytes.
 */
import { fillRow, rowElement } from "./row.js";

/** @typedef {import("../../model/types.js").Row} Row */

/** So many wait to be used again: of a window that was higher before, no more. */
const SPARE = 20;

export class RowElements {
  /**
   * @param {HTMLElement} host
   * @param {(element: HTMLElement, row: Row|null, index: number) => void} onFill one was filled anew
   */
  constructor(host, onFill) {
    Object.assign(this, { host, onFill, first: 0, spare: [] });
    /** @type {Map<number, {element: HTMLElement, row: Row|null, line: number}>} */
    this.drawn = new Map();
  }

  /**
   * @param {number} first
   * @param {(Row|null)[]} rows those from `first` on
   * @param {(index: number) => number} lineOf
   */
  show(first, rows, lineOf) {
    const last = first + rows.length;
    this.#leave((index) => index < first || index >= last);
    let next = null;
    for (let index = last - 1; index >= first; index -= 1) {
      next = this.#place(index, rows[index - first], lineOf(index), next);
    }
    while (this.spare.length > SPARE) this.spare.pop().remove();
    for (const element of this.spare) element.remove();
  }

  /** Has every row filled anew. */
  forget() {
    this.#leave(() => true);
  }

  /** Those that stand last are used again first, for the last rows. @param {(index: number) => boolean} isLeft */
  #leave(isLeft) {
    const left = [...this.drawn.keys()].filter(isLeft).sort((one, other) => one - other);
    for (const index of left) {
      this.spare.push(this.drawn.get(index).element);
      this.drawn.delete(index);
    }
  }

  #place(index, row, line, next) {
    const known = this.drawn.get(index);
    const element = known?.element ?? this.spare.pop() ?? rowElement();
    if (!known || known.row !== row || known.line !== line) {
      fillRow(element, row, line);
      this.drawn.set(index, { element, row, line });
      this.onFill(element, row, index);
    }
    if (element.parentNode !== this.host || element.nextSibling !== next) this.host.insertBefore(element, next);
    return element;
  }
}
