/** Lines without control bytes as rows: no terminal is needed for them. */
import { withoutEnd } from "../../base/trimming.js";
import { linked } from "./links.js";
import { CONTROL, signed } from "./signs.js";

/** @typedef {import("./render.js").Line} Line @typedef {import("./render.js").Row} Row */

/** Of a line, in characters; what goes beyond it is only counted. */
const MAX_ROW_LENGTH = 4096;
/** Lines that a cursor can still come back to, and more. */
const WITHIN_REACH = 64;

/**
 * @param {string} text a line of output, without its newline
 * @returns {boolean} whether more than its characters decides how it looks; a return before the newline does not
 */
export const needsTerminal = (text) => CONTROL.test(text) && CONTROL.test(withoutEnd(text, "\r"));

/** To another row than the next: cursor motions, erasing and scrolling of the screen, another screen, a reset. */
const MOVES = /(?:\x1b\[|\x9b)[\x20-\x3f]*[ABEFHJLMSTdfhlru]|\x1b[78DEMc]|[\x0b\x0c\x84\x85\x8d]/;

/** @param {string} text @returns {boolean} whether how it looks may depend on the lines before, or theirs on it */
export const movesBetweenLines = (text) => MOVES.test(text);

/** @param {Line} line @param {"written"|"terminal"} as @returns {Row} */
export function plainRow({ number, offset, text, rest, whole }, as) {
  const shown = as === "terminal" ? withoutEnd(text, "\r") : text;
  return { number, offset, spans: linked(signed(shown)), rest, whole };
}

/** What stands in for an `Emulator` as long as nothing needs one, with its methods. */
export class PlainScreen {
  /** @param {"written"|"terminal"} as */
  constructor(as) {
    this.as = as;
    /** @type {Row[]} */
    this.settled = [];
    /** The last lines as they were written. @type {Line[]} */
    this.lines = [];
    /** The one that is being written, and its row once it is asked for. @type {Line|null} */
    this.line = null;
    this.shown = null;
  }

  /** @returns {Row[]} */
  get screen() {
    if (this.line && !this.shown) this.shown = plainRow(this.line, this.as);
    return this.line ? [this.shown] : [];
  }

  begin(number, offset) {
    this.line = { number, offset, text: "", rest: 0, whole: false };
    this.shown = null;
  }

  /** @param {string} text @returns {boolean} whether the line can be shown with it here */
  takes(text) {
    return !needsTerminal((this.line?.text ?? "") + text);
  }

  write(text) {
    this.shown = null;
    const room = Math.max(0, MAX_ROW_LENGTH - this.line.text.length);
    this.line.text += text.slice(0, room);
    if (text.length > room) this.line.rest += new TextEncoder().encode(text.slice(room)).length;
  }

  newline() {
    const line = { ...this.line, whole: true };
    this.settled.push(plainRow(line, this.as));
    this.lines.push(line);
    if (this.lines.length > 2 * WITHIN_REACH) this.lines = this.lines.slice(-WITHIN_REACH);
    this.line = null;
  }

  /**
   * @param {import("./emulator.js").Emulator} emulator goes on from here
   * @returns {Row[]} what is out of its reach
   */
  handOver(emulator) {
    for (const { number, offset, text } of this.lines) {
      emulator.begin(number, offset);
      emulator.write(text, this.as);
      emulator.newline(this.as);
    }
    if (this.line) emulator.begin(this.line.number, this.line.offset);
    if (this.line) emulator.write(this.line.text, this.as);
    return this.settled.slice(0, this.settled.length - this.lines.length);
  }
}
