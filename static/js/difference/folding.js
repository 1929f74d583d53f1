/** What of a line counts when two are compared. */
import { withoutEnd } from "../base/trimming.js";

// What a terminal does not show as text (ECMA-48, 5.4; OSC ends with BEL or ST).
const CONTROLS = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f]/g;
const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIMES = new RegExp(
  [
    String.raw`\d{4}[-/]\d\d[-/]\d\d(?:[T _]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)?`,
    String.raw`\d{1,2}/${MONTH}/\d{4}(?::\d\d:\d\d:\d\d(?: [+-]\d{4})?)?`,
    String.raw`${MONTH} +\d{1,2}(?: \d\d:\d\d:\d\d)?(?: \d{4})?`,
    String.raw`\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?`,
    // A number is looked at from its start alone: a line of a million digits is tried once, not a million times.
    String.raw`(?<!\d)\d+(?:[.,]\d+)? ?(?:ns|µs|us|ms|min|sec(?:onds?)?|s|m|h)\b`,
  ].join("|"),
  "g",
);

/**
 * @param {string} line
 * @returns {string} as one sees it in the end: without colours, and with what was written over what
 */
export function shownOf(line) {
  const over = withoutEnd(line, "\r");
  return over.slice(over.lastIndexOf("\r") + 1).replace(CONTROLS, "");
}

/**
 * @param {string} line
 * @param {{times?: boolean, digits?: boolean}} folded what counts as the same, whatever it is
 * @returns {string}
 */
export function keyOf(line, { times = false, digits = false }) {
  const timeless = times ? line.replace(TIMES, "\u0001") : line;
  return digits ? timeless.replace(/\d+/g, "\u0002") : timeless;
}
