/** Bytes of an output as the lines that they are of. Pure. */
import { MAX_TEXT } from "./line.js";

/**
 * @typedef {import("./line.js").Known} Known
 *
 * @typedef {object} Part a stretch of an output, as the server sent it
 * @property {Uint8Array} bytes
 * @property {number} offset of the first byte
 * @property {number} line that the first byte is of
 * @property {boolean} aligned whether the first byte is the first of its line
 * @property {boolean} bounded whether it ends where the bytes that were asked for do, and not the output or a line
 */

const NEWLINE = 10;
const UTF8 = "utf-8";
export const UTF16 = "utf-16le";
/** Of the end of a long line. */
export const LAST_BYTES = 4096;
/** The longest code point of UTF-8, in bytes. */
const MAX_BYTES = 4 * MAX_TEXT;

/** @param {number} byte @returns {boolean} whether a code point of UTF-8 goes on with it */
const isContinuation = (byte) => (byte & 0xc0) === 0x80;

/**
 * The server ends a line after the byte 10. In UTF-16 this is the first byte of a newline, and can be either of another
 * character's: so a line begins and ends between characters, at the next even offset.
 */
const even = (offset, encoding) => (encoding === UTF16 ? offset + (offset % 2) : offset);

/** @returns {boolean} whether the byte 10 there is the first of a character of UTF-16 that is no newline */
const isOther = ({ bytes, offset }, at, encoding) => encoding === UTF16 && (offset + at) % 2 === 0 && bytes[at + 1] > 0;

/**
 * @param {{bytes: Uint8Array, offset: number}} part
 * @param {string} encoding
 * @returns {boolean} whether it ends with the second byte of a newline, which is no line, although the server counts it
 */
export const endsInHalf = ({ bytes, offset }, encoding) =>
  encoding === UTF16 && (offset + bytes.length) % 2 === 0 && bytes.at(-1) === 0 && bytes.at(-2) === NEWLINE;

/**
 * @param {Part} part
 * @param {string} encoding a label of the Encoding Standard
 * @returns {Known[]} its lines; the last one is cut where the part is bounded
 */
export function linesOf(part, encoding) {
  const { bytes } = part;
  const lines = [];
  const length = bytes.length - (endsInHalf(part, encoding) ? 1 : 0);
  for (let start = 0, number = part.line; start < length; number += 1) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline;
    lines.push(lineOf(part, { start, end, number, whole: newline !== -1 }, encoding));
    start = end + 1;
  }
  return lines;
}

/** @returns {Known} the line that stands in a part's bytes from `start` up to `end` */
function lineOf(part, { start, end, number, whole }, encoding) {
  const { bytes, offset, aligned: begun, bounded } = part;
  const from = even(offset + start, encoding) - offset;
  const to = Math.min(bytes.length, even(offset + end, encoding) - offset + (isOther(part, end, encoding) ? 2 : 0));
  const isBegun = start > 0 || begun;
  const cut = !whole && bounded;
  const shownTo = Math.max(from, textEnd(bytes, from, to, encoding));
  const isLong = shownTo < to || !isBegun;
  return {
    number,
    offset: isBegun ? offset + start : null,
    text: isBegun ? decoded(bytes.subarray(from, shownTo), encoding, offset + from) : null,
    shown: isBegun ? shownTo - start : 0,
    rest: isBegun ? Math.max(0, end - shownTo) : 0,
    last: isLong && !cut ? lastText(bytes.subarray(from, to), encoding) : null,
    to: offset + Math.max(end, shownTo),
    whole,
    cut,
  };
}

/** @param {Uint8Array} bytes that begin and end between characters, or nearly @param {string} encoding */
export function lastText(bytes, encoding) {
  let from = Math.max(0, bytes.length - LAST_BYTES);
  if (encoding === UTF16) from -= (bytes.length - from) % 2;
  if (encoding === UTF8) while (isContinuation(bytes[from])) from += 1;
  return decoded(bytes.subarray(Math.max(0, from)), encoding, 1);
}

/** A mark of the byte order is no text where the output begins. What is cut off within a character is left out. */
export function decoded(bytes, encoding, offset) {
  return new TextDecoder(encoding, { ignoreBOM: offset > 0 }).decode(bytes, { stream: true });
}

/** @returns {number} where the first characters of a line end, as many as a line's text has at most */
export function textEnd(bytes, from, to, encoding) {
  if (encoding === UTF16) return Math.min(to, from + 2 * MAX_TEXT);
  if (encoding !== UTF8 || to - from <= MAX_TEXT) return Math.min(to, from + MAX_TEXT);
  const most = Math.min(to, from + MAX_BYTES);
  let units = 0;
  for (let at = from; at < most; at += 1) {
    if (!isContinuation(bytes[at])) units += bytes[at] >= 0xf0 ? 2 : 1;
    if (units > MAX_TEXT) return at;
  }
  return most;
}
