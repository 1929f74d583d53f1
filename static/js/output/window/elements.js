/** The elements of the rows that are drawn: as many as are seen, and used again for others. */
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
    for (const [index, { element }] of this.drawn) {
      if (index >= first && index < last) continue;
      this.drawn.delete(index);
      this.spare.push(element);
    }
    let next = null;
    for (let index = last - 1; index >= first; index -= 1) {
      next = this.#place(index, rows[index - first], lineOf(index), next);
    }
    while (this.spare.length > SPARE) this.spare.pop().remove();
    for (const element of this.spare) element.remove();
  }

  /** Has every row filled anew. */
  forget() {
    for (const { element } of this.drawn.values()) this.spare.push(element);
    this.drawn.clear();
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
