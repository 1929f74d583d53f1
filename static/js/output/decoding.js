/** Bytes of output as text, in any encoding. Pure. */

/** Lines end at the byte 10; in this encoding that is the first half of a newline. */
const UTF16 = "utf-16le";
const NEWLINE = 10;

/**
 * A line, or lines, as text: without the newline that ends the last one.
 *
 * In UTF-16 a newline is two bytes, of which the second belongs to the next line by the server's count: it is left out
 * there. So nothing is out of step, wherever in an output the bytes begin.
 * @param {Uint8Array} bytes from the start of a line on
 * @param {number} offset of the first of them in the output
 * @param {string} encoding a label of the Encoding Standard
 * @returns {string}
 */
export function textOf(bytes, offset, encoding) {
  const start = encoding === UTF16 ? offset % 2 : 0;
  let end = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length;
  if (encoding === UTF16) end -= Math.abs(end - start) % 2;
  // A mark of the byte order is one at the start of the output alone.
  return new TextDecoder(encoding, { ignoreBOM: offset > 0 }).decode(bytes.subarray(start, Math.max(start, end)));
}
