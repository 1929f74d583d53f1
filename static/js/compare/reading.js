/** Reads a part of an output whole, however often the answer breaks off. */
import { brokenOff } from "../server/answers.js";
import { readPart } from "../server/api.js";

/** @typedef {import("../server/api.js").Part} Part */

/**
 * @param {string} run its id
 * @param {{max_bytes: number, tail?: number, lines?: string}} asked
 * @param {{signal: AbortSignal}} options
 * @returns {Promise<Part>} what was not there yet when it was asked for is not in it
 */
export async function readAll(run, asked, options) {
  const part = await readPart(run, asked, options);
  const pieces = [part.bytes];
  let at = part.offset + part.bytes.length;
  while (at < part.next) {
    const { bytes } = await readPart(run, { offset: at, max_bytes: part.next - at }, options);
    if (bytes.length === 0) throw brokenOff();
    pieces.push(bytes);
    at += bytes.length;
  }
  return { ...part, bytes: new Uint8Array(await new Blob(pieces).arrayBuffer()) };
}
