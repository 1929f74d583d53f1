/**
 * The last lines of an output that is being written, from the frames of its stream. Of more than that nothing is kept,
 * however much comes: only how far the output is.
 */
import { Screen } from "../terminal/screen.js";
import { MAX_TEXT } from "./line.js";
import { Rendered } from "./rendered.js";

/**
 * @typedef {import("./line.js").Known} Known
 * @typedef {import("../../model/types.js").OutputFrame} OutputFrame
 */

/** So many lines. */
export const TAIL_LINES = 200;

/** @param {string} text @returns {number} */
function newlinesIn(text) {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** @param {string} text @param {number} newlines @returns {number} where what comes after all but its last so many begins */
function startOfLast(text, newlines) {
  let at = text.length;
  for (let found = 0; found < newlines && at > 0; found += 1) at = text.lastIndexOf("\n", at - 1);
  return at <= 0 ? 0 : at + 1;
}

export class Tail {
  /** @param {"written"|"terminal"} as @param {() => void} onChange rows have changed */
  constructor(as, onChange) {
    this.as = as;
    this.onChange = onChange;
    this.rendered = new Rendered(onChange);
    /** Where the cursor moves between lines, all that comes is shown by one terminal. @type {Screen|null} */
    this.screen = null;
    this.forget();
  }

  /** Its lines are not the last ones any more. */
  forget() {
    /** @type {Known[]} whole lines */
    this.lines = [];
    /** @type {Known|null} the line that is being written */
    this.open = null;
    this.next = null;
    this.#leaveScreen();
    this.rendered.show([], this.as);
  }

  /** @returns {number} lines of the output that its rows reach up to; 0: there are none */
  get count() {
    return this.rendered.lines.at(-1)?.number ?? 0;
  }

  /** @returns {number} newlines up to `next` */
  get newlines() {
    return this.line - 1;
  }

  /** @param {number} number @returns {boolean} whether it has a row of this line */
  has(number) {
    if (this.screen?.rowOf(number)) return true;
    const line = this.#line(number);
    return line !== undefined && (line.text !== null || this.rendered.row(line) !== null);
  }

  /** @param {number} number @returns {import("../../model/types.js").Row|null} */
  row(number) {
    return this.screen?.rowOf(number) ?? this.rendered.row(this.#line(number));
  }

  /** @param {"written"|"terminal"} as */
  draw(as) {
    this.as = as;
    if (as === "written") this.#leaveScreen();
    this.#show();
  }

  /** @param {OutputFrame} frame each once, in order; after a gap it begins anew */
  take(frame) {
    if (frame.offset !== this.next) this.#begin(frame);
    const last = startOfLast(frame.text, TAIL_LINES + 1);
    const left = frame.text.slice(0, last);
    if (left) this.#leave(left);
    this.#add(last ? frame.text.slice(last) : frame.text);
    this.next = frame.next;
    this.#show();
    if (this.screen) this.screen.write(frame);
    else if (this.as === "terminal" && this.rendered.moves) this.#enterScreen();
  }

  /** It begins with the lines that there are. */
  #enterScreen() {
    const known = [...this.lines, ...(this.open ? [this.open] : [])].filter(({ text }) => text !== null);
    if (known.length === 0) return;
    const text = known.map((line) => line.text + (line.whole ? "\n" : "")).join("");
    this.screen = new Screen({ onChange: this.onChange });
    this.screen.write({ offset: -1, next: this.next, line: known[0].number, text });
  }

  #leaveScreen() {
    this.screen?.dispose();
    this.screen = null;
  }

  #begin({ offset, line }) {
    this.lines = [];
    this.line = line;
    // Whether the frame begins with a line, only its start tells, and only at the start of all.
    this.open = offset === 0 ? null : { ...blank(line), text: null, last: "" };
  }

  /** Lines that are left out. */
  #leave(text) {
    this.line += newlinesIn(text);
    this.lines = [];
    this.open = null;
  }

  #add(text) {
    let start = 0;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", start)) {
      this.#write(text.slice(start, at));
      this.lines.push({ ...this.open, whole: true });
      this.open = null;
      this.line += 1;
      start = at + 1;
    }
    if (start < text.length) this.#write(text.slice(start));
    if (this.lines.length > TAIL_LINES) this.lines = this.lines.slice(-TAIL_LINES);
  }

  /** What is beyond a line's text is counted in characters: as many as bytes, or fewer. */
  #write(text) {
    const line = (this.open ??= blank(this.line));
    const room = line.text === null ? 0 : Math.max(0, MAX_TEXT - line.text.length);
    const rest = line.rest + Math.max(0, text.length - room);
    const written = line.text === null ? null : line.text + text.slice(0, room);
    const last = rest > 0 ? ((line.last ?? line.text ?? "") + text).slice(-MAX_TEXT) : null;
    this.open = { ...line, text: written, last, rest };
  }

  #line(number) {
    const { lines } = this.rendered;
    return lines.length ? lines[number - lines[0].number] : undefined;
  }

  #show() {
    this.rendered.show(this.open ? [...this.lines, this.open] : [...this.lines], this.as);
  }
}

/** @param {number} number @returns {Known} a line of which nothing has come */
const blank = (number) => ({
  ...{ number, offset: null, text: "", shown: 0, rest: 0, last: null, to: 0, whole: false, cut: false },
});
