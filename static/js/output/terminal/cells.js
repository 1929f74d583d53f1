/** The cells of a terminal's row as spans. The one place that reads more of xterm's cells than its API shows. */
import { webAddress } from "./links.js";
import { look } from "./look.js";
import { unmasked } from "./signs.js";

/** @typedef {import("./render.js").Span} Span */

/** A reader of cells; the addresses of their links (OSC 8) are kept by the terminal. */
export class CellReader {
  /** @param {import("@xterm/headless").Terminal} terminal */
  constructor(terminal) {
    this.cell = terminal.buffer.normal.getNullCell();
    this.links = terminal._core._oscLinkService;
  }

  /**
   * @param {import("@xterm/headless").IBufferLine} line
   * @returns {number} of its columns that something was written to, from the left
   */
  lengthOf(line) {
    return line._line.getTrimmedLength();
  }

  /**
   * @param {import("@xterm/headless").IBufferLine} line one that goes on in the next
   * @param {import("@xterm/headless").IBufferLine} next
   * @returns {number} all of its columns, but for the last where a wide character had no room in it
   */
  fullLength(line, next) {
    const gap = line.getCell(line.length - 1, this.cell).getCode() === 0 && next.getCell(0, this.cell).getWidth() === 2;
    return line.length - (gap ? 1 : 0);
  }

  /**
   * @param {import("@xterm/headless").IBufferLine} line
   * @param {number} end column
   * @returns {Span[]}
   */
  spans(line, end) {
    const { cell } = this;
    /** @type {Span[]} */
    const spans = [];
    let [fg, bg, extra, text] = [-1, -1, "", ""];
    let shown = {};
    const finish = () => text && spans.push(...unmasked({ text, ...shown }));
    for (let column = 0; column < end; column += 1) {
      line.getCell(column, cell);
      if (cell.getWidth() === 0) continue;
      const its = cell.hasExtendedAttrs() ? `${cell.isUnderline()} ${cell.extended.urlId}` : "";
      if (cell.fg !== fg || cell.bg !== bg || its !== extra) {
        finish();
        [fg, bg, extra, text] = [cell.fg, cell.bg, its, ""];
        shown = this.#shown(cell);
      }
      text += cell.getChars() || " ";
    }
    finish();
    return spans;
  }

  #shown(cell) {
    const shown = look(cell, `${cell.fg} ${cell.bg} ${cell.isUnderline()}`);
    const link = cell.hasExtendedAttrs() && cell.extended.urlId;
    const href = link && webAddress(this.links.getLinkData(link)?.uri ?? "");
    return href ? { ...shown, href } : shown;
  }
}
