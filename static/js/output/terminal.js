/**
 * Output as rows of styled text. Pure: text in, rows out; the text may be cut anywhere.
 *
 * Of the control functions of terminals (ECMA-48, xterm) those act that shape a line: colours, carriage return,
 * backspace, erasing in the line, moving in the line. All others are inert: links (OSC 8), the clipboard (OSC 52),
 * titles and every other control string vanish, moving to another line and clearing the screen do nothing. A control
 * string ends at the end of its line at the latest, so that none can hide what follows.
 */
import { Line } from "./line.js";
import { PLAIN, select, styleOf } from "./style.js";

/**
 * @typedef {object} Row a line, or where a line is very long a part of one
 * @property {number|null} line its number; null: it continues the row before
 * @property {import("./line.js").Segment[]} segments
 */

const MAX_ROW_LENGTH = 4096;
const MAX_CARRY = 256;
const SPECIAL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/;
const BESIDES_NEWLINE = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;
const PLAIN_RUN = /[^\x00-\x08\x0a-\x1f\x7f-\x9f]+/y;
const CSI = /\x1b\[([\x30-\x3f]*)([\x20-\x2f]*[\x40-\x7e])/y;
const PRIVATE = /^[<=>?]/;
const UNFINISHED = /\x1b(\[[\x20-\x3f]*|[\x20-\x2f]*)$/y;
const SHORT_ESCAPE = /\x1b(\[[\x20-\x3f]*|[\x20-\x2f]*[\x30-\x7e]?)/y;
const STRING_START = /\x1b[\]PX^_]/y;
const STRING_END = /[\x07\x0a\x18\x1a\x1b]/g;

export class Terminal {
  constructor() {
    this.reset(1);
  }

  /** Forgets everything; the next text begins in this line. @param {number} line */
  reset(line) {
    this.pen = PLAIN;
    this.style = null;
    this.lineNumber = line;
    this.continued = false;
    this.inString = false;
    this.carry = "";
    this.half = "";
    this.line = new Line();
  }

  /** @param {string} text @returns {Row[]} the rows that it finished */
  feed(text) {
    /** @type {Row[]} */
    this.rows = [];
    text = this.carry + this.half + text;
    this.carry = "";
    this.half = isHighSurrogate(text.charCodeAt(text.length - 1)) ? text.at(-1) : "";
    if (this.half) text = text.slice(0, -1);
    if (this.inString || BESIDES_NEWLINE.test(text)) this.#walk(text);
    else this.#lines(text);
    return this.rows;
  }

  /** @returns {Row|null} the row that is being written */
  get current() {
    return this.line.segments.length ? this.#row() : null;
  }

  /** Text without anything special but newlines: the common case, fast. */
  #lines(text) {
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      if (end > start) this.#put(text.slice(start, end));
      this.#newline();
      start = end + 1;
    }
    if (start < text.length) this.#put(text.slice(start));
  }

  #walk(text) {
    let i = 0;
    while (i < text.length) {
      if (this.inString) i = this.#skipString(text, i);
      else if (SPECIAL.test(text[i])) i = this.#control(text, i);
      else {
        PLAIN_RUN.lastIndex = i;
        const [run] = PLAIN_RUN.exec(text);
        this.#put(run);
        i += run.length;
      }
    }
  }

  /** Acts on the control character at i. @returns {number} where to go on */
  #control(text, i) {
    const code = text.charCodeAt(i);
    if (code === 0x1b) return this.#escape(text, i);
    if (code === 0x0a) this.#newline();
    else if (code === 0x0d) this.line.moveTo(0);
    else if (code === 0x08) this.line.moveTo(this.line.column - 1);
    else if (code === 0x7f) this.#put("\u2421");
    else if (code > 0x7f) this.#put("\ufffd");
    else if (code !== 0x07) this.#put(String.fromCharCode(0x2400 + code));
    return i + 1;
  }

  #escape(text, i) {
    const at = (pattern) => {
      pattern.lastIndex = i;
      return pattern.exec(text);
    };
    const csi = at(CSI);
    if (csi) {
      this.#act(csi[2], csi[1]);
      return i + csi[0].length;
    }
    if (at(STRING_START)) {
      this.inString = true;
      return i + 2;
    }
    if (at(UNFINISHED) && text.length - i <= MAX_CARRY) {
      this.carry = text.slice(i);
      return text.length;
    }
    return i + at(SHORT_ESCAPE)[0].length;
  }

  #act(final, parameters) {
    if (PRIVATE.test(parameters)) return;
    const number = (missing) => Number.parseInt(parameters, 10) || missing;
    if (final === "m") {
      this.pen = select(this.pen, parameters);
      this.style = styleOf(this.pen);
    } else if (final === "K") this.line.erase(number(0));
    else if (final === "G") this.line.moveTo(number(1) - 1);
    else if (final === "C") this.line.moveTo(this.line.column + number(1));
    else if (final === "D") this.line.moveTo(this.line.column - number(1));
  }

  /** @returns {number} where the control string ends, or the end of the text */
  #skipString(text, i) {
    STRING_END.lastIndex = i;
    const end = STRING_END.exec(text);
    if (!end) return text.length;
    const isEscape = end[0] === "\x1b";
    if (isEscape && end.index + 1 === text.length) {
      this.carry = "\x1b";
      return text.length;
    }
    this.inString = false;
    if (isEscape) return end.index + (text[end.index + 1] === "\\" ? 2 : 0);
    return end.index + (end[0] === "\n" ? 0 : 1);
  }

  #put(text) {
    for (let i = 0; i < text.length;) {
      const room = Math.max(0, MAX_ROW_LENGTH - this.line.column);
      let end = Math.min(text.length, i + room);
      if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
      if (end > i) this.line.write(text.slice(i, end), this.style);
      if (end < text.length) this.#finishRow(true);
      i = end;
    }
  }

  #newline() {
    this.#finishRow(false);
    this.lineNumber += 1;
  }

  #finishRow(continued) {
    this.rows.push(this.#row());
    this.line = new Line();
    this.continued = continued;
  }

  /** @returns {Row} */
  #row() {
    return { line: this.continued ? null : this.lineNumber, segments: this.line.segments };
  }
}

const isHighSurrogate = (code) => code >= 0xd800 && code <= 0xdbff;
