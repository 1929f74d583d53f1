/**
 * Lines of output as rows of styled text. A page without control bytes never loads the terminal.
 *
 * @typedef {{classes: string, foreground?: string, background?: string}} Style
 *
 * @typedef {object} Span a stretch of a row
 * @property {string} text
 * @property {Style} [style]
 * @property {string} [href] an address of the web: http or https, nothing else
 * @property {boolean} [hidden] written to be concealed (SGR 8): seen once it is selected
 *
 * @typedef {object} Line
 * @property {number} number from 1
 * @property {number|null} offset of its first byte
 * @property {string} text without its newline; of a long one, its beginning
 * @property {number} rest bytes of it that are not in the text
 * @property {boolean} whole whether it has ended
 *
 * @typedef {object} Row
 * @property {number} number
 * @property {number|null} offset
 * @property {Span[]} spans
 * @property {number} rest
 * @property {boolean} whole
 * @property {boolean} [swallowed] a motion of the cursor put what it says into another row: drawn with no height
 */
import { loading } from "../../base/loading.js";
import { movesBetweenLines, needsTerminal, plainRow } from "./plain.js";

export { movesBetweenLines, needsTerminal };

/**
 * @param {Line[]} lines consecutive ones
 * @param {{as?: "written"|"terminal", size?: {columns: number, rows: number}}} [options] "written": colours as they are, every other control as its sign;
 *   "terminal": as a terminal shows them that was empty before, and is of this size
 * @returns {Row[]|Promise<Row[]>} a row for each line
 */
export function renderLines(lines, { as = "terminal", size } = {}) {
  if (!lines.some(({ text }) => needsTerminal(text))) return lines.map((line) => plainRow(line, as));
  return loading(() => import("./emulated.js")).then(({ emulated }) => emulated(lines, as, size));
}
