/** Which part of two outputs is compared: what the address says, and what of it came. Pure. */

/**
 * @typedef {import("../server/api.js").Part} Part
 *
 * @typedef {object} Choice
 * @property {"end"|"start"|"lines"} part
 * @property {[number, number]} lines the first and the last one, with "lines"
 * @property {boolean} times whether they are ignored
 * @property {boolean} digits whether they are ignored
 *
 * @typedef {object} Compared of one output
 * @property {Uint8Array} bytes whole lines
 * @property {number} offset of the first byte
 * @property {number} first line
 * @property {number} last line; before the first one where there is none
 * @property {number} lines of the output
 * @property {number} size of the output
 * @property {boolean} whole whether this is all of it
 */

/** Of each output: what a browser reads, compares and keeps without being slowed by it. */
export const MOST_BYTES = 2_000_000;
export const MOST_LINES = 20_000;
const NEWLINE = 10;
const LINES = /^([1-9]\d{0,14})-([1-9]\d{0,14})$/;

/** @param {URLSearchParams} query @returns {Choice} the end, where errors are, unless it says otherwise */
export function choiceOf(query) {
  const named = LINES.exec(query.get("lines") ?? "");
  const ignored = (query.get("ignore") ?? "").split(",");
  const lines = named ? ordered(Number(named[1]), Number(named[2])) : [1, MOST_LINES];
  const part = named ? "lines" : query.get("part") === "start" ? "start" : "end";
  return { part, lines, times: ignored.includes("times"), digits: ignored.includes("digits") };
}

const ordered = (one, other) => [Math.min(one, other), Math.max(one, other)];

/** @param {Choice} choice @returns {Record<string, string>} as the address has it */
export function queryOf({ part, lines, ...ignored }) {
  const names = ["times", "digits"].filter((name) => ignored[name]);
  return {
    ...(part === "start" ? { part } : {}),
    ...(part === "lines" ? { lines: lines.join("-") } : {}),
    ...(names.length > 0 ? { ignore: names.join() } : {}),
  };
}

/** @param {Choice} choice @returns {{max_bytes: number, tail?: number, lines?: string}} what is asked of the server */
export function askedOf({ part, lines }) {
  if (part === "end") return { max_bytes: MOST_BYTES, tail: MOST_LINES };
  const [first, last] = part === "start" ? [1, MOST_LINES] : lines;
  return { max_bytes: MOST_BYTES, lines: `${first}-${Math.min(last, first + MOST_LINES - 1)}` };
}

/**
 * What is cut off within a line, by the bound in bytes, is left out; but for a line that is longer than that.
 * @param {Part} part all of it
 * @param {Choice} choice
 * @returns {Compared}
 */
export function comparedOf({ bytes, offset, line, lines, size }, { part }) {
  const bounded = bytes.length >= MOST_BYTES;
  let [from, to] = [0, bytes.length];
  if (bounded && part === "end" && offset > 0) from = bytes.indexOf(NEWLINE, 0) + 1;
  if (bounded && part !== "end" && offset + to < size) to = bytes.lastIndexOf(NEWLINE) + 1 || to;
  if (from === bytes.length) from = 0;
  const kept = bytes.subarray(from, to);
  const first = line + (from > 0 ? 1 : 0);
  const whole = offset + from === 0 && to === size;
  return { bytes: kept, offset: offset + from, first, last: first + lineCount(kept) - 1, lines, size, whole };
}

/** @param {Uint8Array} bytes */
function lineCount(bytes) {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count + (bytes.length > 0 && bytes.at(-1) !== NEWLINE ? 1 : 0);
}
