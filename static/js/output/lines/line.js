/**
 * What is known of one line of output, however long it is, and what of it is drawn. Pure.
 *
 * A line's text is bounded. Of one that is redrawn, as progress bars are, a terminal shows what stands at its end: so
 * the end of a long line is kept beside its beginning.
 */

/**
 * @typedef {object} Known a line, as far as it was read
 * @property {number} number from 1
 * @property {number|null} offset of its first byte; null: its beginning was not read
 * @property {string|null} text its beginning; null: it was not read
 * @property {number} shown bytes of it that the text stands for
 * @property {number} rest bytes of it that the text does not stand for, as far as is known
 * @property {string|null} last the end of a long line; null: it was not read, or the text is all there is
 * @property {number} to the offset after its last byte that is known of, without the newline
 * @property {boolean} whole whether it has ended
 * @property {boolean} cut whether it goes on after `to`, nobody knows how far
 */

/** Of a line, in characters. */
export const MAX_TEXT = 4096;
/** A return that is not at the end of what it stands in. */
const REDRAWN = /\r+[^\r]/;

/** @param {string|null} text @returns {boolean} whether what comes later stands over what came before */
export const isRedrawn = (text) => text !== null && REDRAWN.test(text);

/** @param {Known} line @param {"written"|"terminal"} as @returns {boolean} whether its end is needed to draw it */
export const needsLast = (line, as) =>
  as === "terminal" && line.last === null && isRedrawn(line.text) && (line.rest > 0 || line.cut);

/**
 * @param {Known} line
 * @param {"written"|"terminal"} as
 * @returns {import("../terminal/render.js").Line|null} what is drawn of it; null: nothing is known that could be
 */
export function drawnOf(line, as) {
  const { number, offset, text, last, rest, whole } = line;
  const beyond = last !== null && (text === null || rest > 0);
  if (beyond && as === "terminal" && isRedrawn(text ?? last)) {
    return { number, offset, text: last.slice(isRedrawn(last) ? last.indexOf("\r") + 1 : 0), rest: 0, whole };
  }
  return text === null ? null : { number, offset, text, rest, whole };
}

/**
 * @param {Known} line whose beginning was read
 * @param {Pick<Known, "to"|"whole"|"last">} end
 * @returns {Known}
 */
export const ended = (line, { to, whole, last }) => ({
  ...line,
  ...{ to, whole, last, cut: false, rest: Math.max(0, to - line.offset - line.shown) },
});
