/** A block of lines through a terminal; imported only when one has control bytes. */
import { breathe, PIECE, TURN_MS } from "./breathe.js";
import { Emulator } from "./emulator.js";

/** @typedef {import("./render.js").Line} Line @typedef {import("./render.js").Row} Row */

/**
 * @param {Line[]} lines
 * @param {"written"|"terminal"} as
 * @param {{columns: number, rows: number}} [size] of the terminal
 * @returns {Promise<Row[]>} a row for each line
 */
export async function emulated(lines, as, size) {
  const emulator = new Emulator(size);
  let turn = performance.now();
  for (const { number, offset, text, whole } of lines) {
    emulator.begin(number, offset);
    for (let at = 0; at < text.length; at += PIECE) {
      emulator.write(text.slice(at, at + PIECE), as);
      if (performance.now() - turn < TURN_MS) continue;
      await breathe();
      turn = performance.now();
    }
    if (whole) emulator.newline(as);
  }
  return byLine(lines, [...emulator.settled, ...emulator.screen]);
}

/** @param {Line[]} lines @param {import("./emulator.js").ScreenRow[]} screenRows @returns {Row[]} */
function byLine(lines, screenRows) {
  /** @type {Map<number, {spans: import("./render.js").Span[], rest: number}>} */
  const found = new Map();
  for (const { number, spans, rest } of screenRows) {
    const its = found.get(number);
    if (its) its.spans.push({ text: "\n" }, ...spans);
    if (its) its.rest += rest;
    else found.set(number, { spans: [...spans], rest });
  }
  return lines.map(({ number, offset, rest, whole }) => {
    const its = found.get(number);
    if (!its) return { number, offset, spans: [], rest, whole, swallowed: true };
    return { number, offset, spans: its.spans, rest: rest + its.rest, whole };
  });
}
