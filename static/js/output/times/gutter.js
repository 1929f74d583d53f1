/** A column beside the lines that are shown, of when they were written. */
import { exactTime } from "../../words/format.js";
import { timeText } from "./text.js";

/** @typedef {import("../../model/types.js").Row} Row */

/** Where lines begin that were shown: to compare a line with the one before, which may not be shown any more. */
const REMEMBERED = 2000;

export class TimesGutter {
  /**
   * @param {object} given
   * @param {import("./marks.js").LineMarks} given.marks
   * @param {() => number} given.lineCount
   * @param {number} given.start of the run, in unix seconds
   */
  constructor({ marks, lineCount, start }) {
    Object.assign(this, { marks, lineCount, start, mode: "none", frame: 0 });
    /** @type {Map<HTMLElement, {row: Row, cell: HTMLElement}>} */
    this.shown = new Map();
    /** @type {Map<number, number>} */
    this.offsets = new Map();
    this.decorate = (element, row) => this.#decorate(element, row);
  }

  /** More is known: what is shown is told. */
  fill() {
    for (const [element, { row, cell }] of this.shown) {
      if (element.isConnected && cell.parentNode === element) this.#tell(row, cell);
      else this.shown.delete(element);
    }
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    this.marks.dispose();
  }

  /** @param {HTMLElement} element @param {Row|null} row */
  #decorate(element, row) {
    this.shown.delete(element);
    if (this.mode === "none") return;
    const cell = document.createElement("span");
    cell.className = `out-row__time out-row__time--${this.mode}`;
    element.append(cell);
    if (!row || row.continued || row.beside === "gap") return;
    this.#remember(row);
    this.shown.set(element, { row, cell });
    this.#tell(row, cell);
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#want();
    });
  }

  #want() {
    this.fill();
    const lines = [...this.shown.values()].map(({ row }) => row.number);
    if (lines.length) this.marks.want(Math.min(...lines), Math.max(...lines), this.lineCount());
  }

  #tell(row, cell) {
    const time = this.marks.timeOf(row.number, row.offset);
    const before = this.marks.timeOf(row.number - 1, this.offsets.get(row.number - 1) ?? null);
    cell.textContent = timeText(this.mode, { time, before, start: this.start });
    cell.title = time === null ? "" : exactTime(time * 1000);
  }

  #remember({ number, offset }) {
    if (this.offsets.size >= REMEMBERED) this.offsets.clear();
    if (offset !== null) this.offsets.set(number, offset);
  }
}
