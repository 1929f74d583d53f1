/**
 * Output made safe for a terminal emulator: no number in it makes the emulator work longer than its screen is large.
 *
 * xterm repeats, scrolls and shifts as often as a control sequence says, up to 2,147,483,647 times: a few bytes could
 * hold the page for minutes. More often than the screen has rows or columns is the same as that often.
 */

/** A control sequence (ECMA-48, 5.4), with the controls that may stand in it. */
const SEQUENCE = /(\x1b\[|\x9b)([\x00-\x17\x19\x1c-\x3f\x7f]*)([\x40-\x7e])/g;
/** Any of them but colours. */
const ACTS = /(?:\x1b\[|\x9b)(?![\d;:]{0,32}m)|\x1bc/;
/** What may go on in the next piece of text. */
const UNFINISHED = /(?:\x1b|(?:\x1b\[|\x9b)[\x00-\x17\x19\x1c-\x3f\x7f]*)$/;
/** A longer one is none that means anything: it is cancelled. */
const MAX_CARRY = 256;
const CANCEL = "\x18";
const MAX_DIGITS = 4;
/** Scroll up, down; insert and delete lines: as often as there are rows. */
const BY_ROWS = "STLM";
/** Insert, delete, erase, repeat characters: as often as there are columns. */
const BY_COLUMNS = "@PXb";
/** A full reset, which forgets what has scrolled past: what it does to the screen is done instead. */
const RESET = /\x1bc/g;
const RESET_SCREEN = "\x1b[?1049l\x1b[!p\x1b(B\x1b[m\x1b[H\x1b[2J";

export class Guard {
  /** @param {number} columns @param {number} rows */
  constructor(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.carry = "";
  }

  /** @param {string} text the next piece of a line @returns {string} it, up to a sequence that may go on in the next */
  take(text) {
    const all = this.carry + text;
    const cut = UNFINISHED.exec(all);
    if (!cut) this.carry = "";
    else this.carry = cut[0].length <= MAX_CARRY ? cut[0] : CANCEL;
    return cut ? all.slice(0, cut.index) : all;
  }

  /** @returns {string} what was kept back, at a line's end: it will never be finished */
  end() {
    const rest = this.carry;
    this.carry = "";
    return rest;
  }

  /** @param {string} text of whole sequences @returns {string} what may be written in its place */
  bounded(text) {
    if (!ACTS.test(text)) return text;
    return text
      .replace(RESET, RESET_SCREEN)
      .replace(SEQUENCE, (all, start, parameters, final) => start + this.#clamped(parameters, final) + final);
  }

  #clamped(parameters, final) {
    const most = BY_ROWS.includes(final) ? this.rows : BY_COLUMNS.includes(final) ? this.columns : Infinity;
    if (most === Infinity && parameters.length <= MAX_DIGITS) return parameters;
    const numbers = parameters.replace(/[\x00-\x1f\x7f]/g, "");
    const controls = parameters.replace(/[^\x00-\x1f\x7f]/g, "");
    return controls + numbers.replace(/\d+/g, (digits) => String(Math.min(Number(digits), most, 10 ** MAX_DIGITS - 1)));
  }
}
