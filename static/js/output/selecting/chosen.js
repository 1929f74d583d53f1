/** The lines that a person, or the address, has chosen: they stand out, and can be copied and linked to. */
import { afterClick } from "./lines.js";

/** @typedef {import("./lines.js").Lines} Lines */

export class ChosenLines {
  /**
   * @param {HTMLElement} host of the rows
   * @param {(lines: Lines|null) => void} onChoose a person has chosen others
   */
  constructor(host, onChoose) {
    Object.assign(this, { host, onChoose, lines: null, anchor: null });
    this.decorate = (element) => this.#mark(element);
    this.onClick = (event) => this.#clicked(event);
    host.addEventListener("click", this.onClick);
  }

  /** @param {Lines|null} lines chosen from now on */
  set(lines) {
    this.lines = lines;
    if (this.anchor === null || !lines || this.anchor < lines.first || this.anchor > lines.last) {
      this.anchor = lines?.first ?? null;
    }
    for (const row of this.host.querySelectorAll(".out-row")) this.#mark(row);
  }

  dispose() {
    this.host.removeEventListener("click", this.onClick);
  }

  #clicked(event) {
    const number = event.target.closest?.(".out-row__number");
    if (!number) return;
    const line = Number(number.closest(".out-row").dataset.line);
    const lines = afterClick(this.lines, line, event.shiftKey ? this.anchor : null);
    if (!event.shiftKey) this.anchor = line;
    if (event.shiftKey) getSelection()?.removeAllRanges(); // what the browser has selected on the way
    this.set(lines);
    this.onChoose(lines);
  }

  #mark(element) {
    const line = Number(element.dataset.line);
    const isChosen = this.lines !== null && line >= this.lines.first && line <= this.lines.last;
    element.classList.toggle("out-row--chosen", isChosen);
  }
}
