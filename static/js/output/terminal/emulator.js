/**
 * Output as a terminal shows it, by xterm; every row knows the line that it belongs to.
 *
 * A row belongs to the line that was being written when the cursor first came to it; a line that began in a row of
 * another has none of its own. Rows that have scrolled past are read at once and never change again: the terminal
 * itself only ever holds its screen and a few rows more.
 */
import { Terminal } from "../../../vendor/xterm-headless/xterm-headless.js";
import { Unicode11Addon } from "../../../vendor/xterm-unicode11/addon-unicode11.js";
import { CellReader } from "./cells.js";
import { Guard } from "./guard.js";
import { linked } from "./links.js";
import { masked, SIGN } from "./signs.js";

/**
 * @typedef {import("./render.js").Row & {continued?: boolean}} ScreenRow `continued`: its line began in a row above
 * @typedef {{row: number, number: number, offset: number|null}} Owner a line, and its first row
 */

/** Wider than what programs write that cannot ask: a return goes back to the start of the whole line. */
export const COLUMNS = 512;
/** As programs take it to be that cannot ask. */
export const ROWS = 24;
/** Rows that may scroll past before they are read. */
const SCROLLBACK = 64;
/** What may scroll past in one write: half of it by characters that wrap, half by what brings a new row. */
const MAX_WRAPS = 8;
const MAX_MAKERS = 20;
/** Brings the cursor to a new row: one for each, or two where a character is repeated. */
const MAKES_ROWS = /[\x0b\x0c\x84\x85]|\x1b[DE]|\db/g;
/** Of rows joined where they wrapped, in characters: signs and repeated characters make more of them than were written. */
const MAX_ROW_LENGTH = 32_768;
/**
 * A newline as a terminal's driver hands it on (ONLCR). It cancels a control sequence or string that was not ended, so
 * that none hides what follows.
 */
const NEWLINE = "\x18\r\n";

export class Emulator {
  /** @param {{columns?: number, rows?: number}} [size] */
  constructor({ columns = COLUMNS, rows = ROWS } = {}) {
    this.columns = columns;
    this.rows = rows;
    this.#makeTerminal();
    this.guard = new Guard(columns, rows);
    /** Rows are counted from the first that was ever written: so many of them the terminal holds no more. */
    this.trimmed = 0;
    /** So many were read. */
    this.read = 0;
    /** The last row in which a line began. */
    this.reached = -1;
    /** Lines whose first row is not read yet. @type {Owner[]} */
    this.owners = [];
    /** @type {Owner} the line whose rows are being read */
    this.owner = { row: 0, number: 1, offset: null };
    /** The line that is being written. */
    this.line = 1;
    /** @type {ScreenRow[]} what has scrolled past; `open` is the last of it, which may go on */
    this.settled = [];
    this.open = null;
    /** What is on the screen, once it is asked for; and what was the last time. */
    this.shown = null;
    this.before = [];
  }

  /** A line begins where the cursor is. @param {number} number @param {number|null} offset */
  begin(number, offset) {
    this.line = number;
    this.ended = false;
    const { normal, active } = this.buffers;
    const row = this.trimmed + normal.baseY + normal.cursorY;
    if (active !== normal || row < this.reached) return;
    if (row === this.reached && !this.#isVacant(row)) return;
    if (row === this.reached) this.owners.pop();
    this.reached = row;
    this.owners.push({ row, number, offset });
  }

  /** @returns {boolean} whether the line that began in the row went elsewhere without leaving anything */
  #isVacant(row) {
    const line = this.buffers.normal.getLine(row - this.trimmed);
    return this.owners.at(-1)?.row === row && this.reader.lengthOf(line) === 0;
  }

  /** @param {string} text of the line that was begun, without a newline @param {"written"|"terminal"} as */
  write(text, as) {
    this.#put(this.guard.take(text), as);
  }

  /** Ends the line. @param {"written"|"terminal"} as */
  newline(as) {
    const unfinished = this.guard.end();
    if (as === "written") this.#put(unfinished, as);
    this.#write(NEWLINE);
    this.ended = true;
  }

  /** @returns {ScreenRow[]} what stands below what has settled; a row that is as before is the same object */
  get screen() {
    if (this.shown) return this.shown;
    const before = new Map(this.before.map((row) => [JSON.stringify(row), row]));
    this.shown = this.#readScreen().map((row) => {
      const key = JSON.stringify(row);
      const same = before.get(key);
      before.delete(key);
      return same ?? row;
    });
    this.before = this.shown;
    return this.shown;
  }

  #put(text, as) {
    const shown = masked(text, as);
    for (const slice of slices(as === "written" ? shown : this.guard.bounded(shown), this.columns)) this.#write(slice);
  }

  #write(text) {
    this.shown = null;
    try {
      this.terminal.input("", true); // what is written next acts at once, not from a timer
      this.terminal.write(text);
    } catch {
      this.#recover();
    }
    const { normal } = this.buffers;
    this.read = Math.max(this.read, this.trimmed);
    for (const top = this.trimmed + normal.baseY; this.read < top; this.read += 1) this.#settle(normal);
  }

  /**
   * xterm has failed (6.0.0 does when the screen is erased up to its last cell, by `CSI 1 J`), and cannot go on. What
   * was shown stays, and what comes is shown below.
   */
  #recover() {
    const rows = this.#readScreen();
    this.settled.push(...rows);
    this.open = null;
    this.owners = [];
    this.owner = { row: -1, number: this.line, offset: null };
    this.trimmed = Math.max(this.read, this.#end() + 1);
    this.read = this.trimmed;
    this.reached = this.read - 1;
    this.#makeTerminal();
  }

  #makeTerminal() {
    this.terminal = makeTerminal(this.columns, this.rows);
    this.buffers = this.terminal.buffer;
    this.terminal._core.buffers.normal.lines.onTrim((count) => (this.trimmed += count));
    this.reader = new CellReader(this.terminal);
  }

  /** @returns {number} the last row that anything stands in, or that a line began in */
  #end() {
    return Math.max(this.reached, this.trimmed + lastWritten(this.buffers.normal, this.reader, this.read - this.trimmed));
  }

  /** Reads the next row, which has scrolled past. */
  #settle(buffer) {
    if (this.owners[0]?.row === this.read) this.owner = this.owners.shift();
    const row = this.#row(buffer, this.read - this.trimmed, this.owner, this.read);
    if (row.wrapped && this.open) extend(this.open, row);
    else {
      if (this.open) this.settled.push(finished(this.open));
      this.open = row;
    }
  }

  #readScreen() {
    const { normal, active } = this.buffers;
    const rows = this.open ? [{ ...this.open, spans: [...this.open.spans] }] : [];
    const end = this.#end();
    let [owner, waiting] = [this.owner, 0];
    for (let row = this.read; row <= end; row += 1) {
      if (this.owners[waiting]?.row === row) owner = this.owners[waiting++];
      add(rows, this.#row(normal, row - this.trimmed, owner, row));
    }
    if (active !== normal) this.#readAlternate(rows, active);
    for (const row of rows) row.whole = this.ended || row.number !== this.line;
    return rows.map(finished);
  }

  /** The other screen, of programs that fill one, has no lines: it is shown below, for as long as it is there. */
  #readAlternate(rows, buffer) {
    while (rows.length && rows.at(-1).spans.length === 0) rows.pop();
    const end = lastWritten(buffer, this.reader, 0);
    const owner = { row: -1, number: this.line, offset: null };
    for (let y = 0; y <= end; y += 1) {
      const row = this.#row(buffer, y, owner, y);
      if (y === 0) rows.push(row);
      else add(rows, row);
    }
  }

  /** @returns {ScreenRow & {wrapped: boolean}} */
  #row(buffer, y, owner, row) {
    const line = buffer.getLine(y);
    const next = buffer.getLine(y + 1);
    const end = next?.isWrapped ? this.reader.fullLength(line, next) : this.reader.lengthOf(line);
    return {
      number: owner.number,
      offset: owner.row === row ? owner.offset : null,
      spans: this.reader.spans(line, end),
      rest: 0,
      whole: true,
      ...(owner.row === row ? {} : { continued: true }),
      wrapped: line.isWrapped,
    };
  }
}

function makeTerminal(cols, rows) {
  const options = { cols, rows, scrollback: SCROLLBACK, allowProposedApi: true, logLevel: "off" };
  const terminal = new Terminal(options);
  // By itself it takes emoji for one column wide; today's terminals do not.
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  // What has scrolled past is not the program's to erase (ED 3).
  terminal.parser.registerCsiHandler({ final: "J" }, ([what]) => what === 3);
  terminal.parser.registerEscHandler({ final: "c" }, () => true); // a reset would, too: the guard has put another there
  return terminal;
}

/** @returns {number} the index of the last row that anything stands in, from this one on */
function lastWritten(buffer, reader, from) {
  let last = buffer.length - 1;
  while (last >= from && reader.lengthOf(buffer.getLine(last)) === 0) last -= 1;
  return last;
}

function add(rows, row) {
  if (row.wrapped && rows.length) extend(rows.at(-1), row);
  else rows.push(row);
}

/** Joins to a row the one that it goes on in; what makes it too long is only counted. */
function extend(row, more) {
  row.length ??= lengthOf(row);
  row.length += lengthOf(more);
  for (const span of more.spans) {
    if (row.length > MAX_ROW_LENGTH) row.rest += new TextEncoder().encode(span.text).length;
    else if (alike(row.spans.at(-1), span)) row.spans.push(joined(row.spans.pop(), span));
    else row.spans.push(span);
  }
}

const lengthOf = ({ spans }) => spans.reduce((sum, { text }) => sum + text.length, 0);
const alike = (one, other) =>
  one && one.style === other.style && one.href === other.href && one.hidden === other.hidden && one.style !== SIGN;
const joined = (one, other) => ({ ...one, text: one.text + other.text });

/** @returns {ScreenRow} */
function finished({ wrapped, length, ...row }) {
  return { ...row, spans: linked(row.spans) };
}

/** @param {string} text @param {number} columns @returns {Generator<string>} its parts, for a write each */
function* slices(text, columns) {
  let [start, makers] = [0, 0];
  for (const { index } of text.matchAll(MAKES_ROWS)) {
    makers += 1;
    if (makers < MAX_MAKERS) continue;
    yield* parts(text.slice(start, index), columns * MAX_WRAPS);
    [start, makers] = [index, 0];
  }
  yield* parts(text.slice(start), columns * MAX_WRAPS);
}

function* parts(text, length) {
  for (let start = 0; start < text.length; start += length) yield text.slice(start, start + length);
}
