/** The rows of some lines: made at once where no terminal is needed for them, else as soon as one has drawn them. */
import { movesBetweenLines, needsTerminal, renderLines } from "../terminal/render.js";
import { drawnOf } from "./line.js";

/**
 * @typedef {import("./line.js").Known} Known
 * @typedef {import("../../model/types.js").Row} Row
 */

/** Between two drawings by a terminal: what is shown changes no oftener than a screen does. */
const PAUSE_MS = 16;

/** @param {Known} line @returns {boolean} */
const isControlled = ({ text, last }) => needsTerminal(text ?? "") || needsTerminal(last ?? "");

/** @param {import("../terminal/render.js").Line[]} lines @returns {import("../terminal/render.js").Line[][]} */
function consecutive(lines) {
  const runs = [];
  for (const line of lines) {
    if (runs.at(-1)?.at(-1).number === line.number - 1) runs.at(-1).push(line);
    else runs.push([line]);
  }
  return runs;
}

export class Rendered {
  /** @param {() => void} onChange a terminal has drawn rows */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {Known[]} those whose rows there are */
    this.lines = [];
    /** @type {Map<number, Row>} made by a terminal, by the line's number; null: none is needed */
    this.drawn = null;
    /** @type {WeakMap<Known, Row|null>} */
    this.plain = new WeakMap();
    this.waiting = null;
    this.running = false;
    /** Whether the cursor moves between its lines. */
    this.moves = false;
  }

  /** Has these shown instead of those before. @param {Known[]} lines in order @param {"written"|"terminal"} as */
  show(lines, as) {
    if (as !== this.as) this.plain = new WeakMap();
    this.as = as;
    this.waiting = lines;
    if (!this.running) this.#next();
  }

  /** @param {Known|undefined} line @returns {Row|null} */
  row(line) {
    if (!line) return null;
    if (this.drawn) return this.drawn.get(line.number) ?? null;
    if (this.running) return this.plain.get(line) ?? null;
    if (!this.plain.has(line)) {
      const drawn = drawnOf(line, this.as);
      this.plain.set(line, drawn && renderLines([drawn], { as: this.as })[0]);
    }
    return this.plain.get(line);
  }

  #next() {
    const lines = this.waiting;
    this.waiting = null;
    if (lines.some(isControlled)) this.#emulate(lines);
    else Object.assign(this, { lines, drawn: null });
  }

  async #emulate(lines) {
    this.running = true;
    this.moves ||= lines.some(({ text, last }) => movesBetweenLines(text ?? "") || movesBetweenLines(last ?? ""));
    const rows = await this.#rowsOf(lines);
    const before = this.drawn;
    this.drawn = new Map(rows.map((row) => [row.number, same(before?.get(row.number), row)]));
    this.lines = lines;
    this.onChange();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    this.running = false;
    if (!this.waiting) return;
    this.#next();
    if (!this.running) this.onChange();
  }

  /** Where the terminal cannot be loaded, the text is shown as it is. */
  async #rowsOf(lines) {
    const runs = consecutive(lines.map((line) => drawnOf(line, this.as)).filter(Boolean));
    try {
      return (await Promise.all(runs.map((run) => renderLines(run, { as: this.as })))).flat();
    } catch {
      return runs.flat().map(({ text, ...line }) => ({ ...line, spans: [{ text }] }));
    }
  }
}

/** @param {Row|undefined} before @param {Row} row @returns {Row} what was drawn before, where it is the same */
const same = (before, row) => (before && JSON.stringify(before) === JSON.stringify(row) ? before : row);
