/**
 * The live end of an output as a terminal shows it that is fed all that comes.
 *
 * What has scrolled past stays as it was. Until the first control byte its lines are plain rows, and no terminal is
 * loaded. It writes for a few milliseconds at a time; what waits meanwhile is bounded: of more than that, only the
 * newest is shown, and of the rows only the last.
 */
import { loading } from "../../base/loading.js";
import { breathe, PIECE, TURN_MS } from "./breathe.js";
import { PlainScreen } from "./plain.js";

/** @typedef {import("./render.js").Row & {continued?: boolean}} ScreenRow `continued`: its line began in a row above */
/** @typedef {import("../../model/types.js").OutputFrame} OutputFrame */

const MAX_WAITING = 1_000_000;
const MAX_JOINED = 1000;
/** Rows that stay, where nothing else is asked for. */
const KEPT = 2000;

export class Screen {
  /**
   * @param {object} [options]
   * @param {"written"|"terminal"} [options.as]
   * @param {() => void} [options.onChange] something that is shown has changed
   * @param {number} [options.keep] rows
   * @param {{columns: number, rows: number}} [options.size] of the terminal
   */
  constructor({ as = "terminal", onChange = () => {}, keep = KEPT, size } = {}) {
    this.as = as;
    this.onChange = onChange;
    this.keep = keep;
    this.size = size;
    /** @type {OutputFrame[]} */
    this.frames = [];
    this.waiting = 0;
    this.running = null;
    this.disposed = false;
    this.#begin({ offset: 0, line: 1 });
  }

  /**
   * @param {Pick<OutputFrame, "offset"|"next"|"line"|"text">} frame each once, in order; after a gap it begins anew. An
   *   offset that is not known, of one that begins with a line, is -1.
   */
  write(frame) {
    this.frames.push(frame);
    this.waiting += frame.text.length;
    if (this.waiting > MAX_WAITING) {
      this.frames = [frame];
      this.waiting = frame.text.length;
    }
    this.running ??= this.#run();
  }

  /** @returns {Promise<void>} kept when all that was written is shown */
  get shown() {
    return this.running ?? Promise.resolve();
  }

  get count() {
    return this.earlier.length + this.drawn.settled.length + this.drawn.screen.length;
  }

  /** @param {number} first index @param {number} last index, not with it @returns {ScreenRow[]} */
  rows(first, last) {
    const rows = [];
    const end = Math.min(last, this.count);
    for (let index = Math.max(0, first); index < end; index += 1) rows.push(this.#at(index));
    return rows;
  }

  /**
   * @param {number} line
   * @returns {import("./render.js").Row|null} what the line shows, the same object as long as that is the same; null:
   *   it is not here, or only the end of it is
   */
  rowOf(line) {
    if (line <= this.first || line > this.line || this.count === 0 || line < this.#at(0).number) return null;
    const index = this.#indexOf(line);
    let end = index;
    while (this.#at(end)?.number === line) end += 1;
    const rows = this.rows(index, end);
    if (rows.length === 1) return rows[0];
    const key = JSON.stringify(rows);
    const before = this.joined.get(line);
    if (before?.key === key) return before.row;
    const row = rows.length ? joined(rows) : swallowed(line);
    if (this.joined.size >= MAX_JOINED) this.joined.clear();
    this.joined.set(line, { key, row });
    return row;
  }

  /** @returns {number} the index of the line's first row; where it has none, of the one after */
  #indexOf(line) {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#at(middle).number < line) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  dispose() {
    this.disposed = true;
    this.frames = [];
  }

  #at(index) {
    const { earlier, drawn } = this;
    if (index < earlier.length) return earlier[index];
    const rest = index - earlier.length;
    return rest < drawn.settled.length ? drawn.settled[rest] : drawn.screen[rest - drawn.settled.length];
  }

  #begin({ offset, line }) {
    /** @type {ScreenRow[]} what is above all that a terminal holds */
    this.earlier = [];
    /** @type {PlainScreen|import("./emulator.js").Emulator} */
    this.drawn = new PlainScreen(this.as);
    this.next = offset;
    this.line = line;
    /** The line that a frame may have begun within. */
    this.first = offset > 0 ? line : 0;
    this.begun = false;
    /** Rows of lines that have several, or none. @type {Map<number, {key: string, row: import("./render.js").Row}>} */
    this.joined = new Map();
  }

  async #run() {
    await null; // not within `write`
    this.turn = performance.now();
    while (this.frames.length && !this.disposed) {
      const frame = this.frames.shift();
      if (frame.offset !== this.next) this.#begin(frame);
      await this.#take(frame.text);
      this.waiting -= frame.text.length;
      this.next = frame.next;
      this.#bound();
    }
    this.running = null;
    if (!this.disposed) this.onChange();
  }

  async #take(text) {
    for (let at = 0; at < text.length && !this.disposed;) {
      const newline = text.indexOf("\n", at);
      const end = Math.min(newline === -1 ? text.length : newline, at + PIECE);
      await this.#put(text.slice(at, end));
      if (end === newline) this.#endLine();
      at = end === newline ? end + 1 : end;
      if (performance.now() - this.turn > TURN_MS) await this.#rest();
    }
  }

  /** The page has its turn, with what there is. */
  async #rest() {
    this.onChange();
    await breathe();
    this.turn = performance.now();
  }

  async #put(text) {
    if (!this.begun) this.drawn.begin(this.line, null);
    this.begun = true;
    if (this.drawn instanceof PlainScreen && !this.drawn.takes(text)) await this.#emulate();
    this.drawn.write(text, this.as);
  }

  #endLine() {
    this.drawn.newline(this.as);
    this.begun = false;
    this.line += 1;
  }

  async #emulate() {
    const { Emulator } = await loading(() => import("./emulator.js"));
    const emulator = new Emulator(this.size);
    this.earlier = this.drawn.handOver(emulator);
    this.drawn = emulator;
  }

  /** The oldest rows go, some at a time. */
  #bound() {
    let over = this.count - this.keep;
    if (over < this.keep / 8) return;
    over -= this.earlier.splice(0, over).length;
    this.drawn.settled.splice(0, over);
  }
}

/** @param {ScreenRow[]} rows of a line @returns {import("./render.js").Row} */
function joined(rows) {
  const [{ number, offset, whole }] = rows;
  const spans = rows.flatMap((row, i) => (i ? [{ text: "\n" }, ...row.spans] : row.spans));
  return { number, offset, spans, rest: rows.reduce((sum, { rest }) => sum + rest, 0), whole };
}

const swallowed = (number) => ({ number, offset: null, spans: [], rest: 0, whole: true, swallowed: true });
