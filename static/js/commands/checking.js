/** What a script's own interpreter says of it, which executes nothing. */
import { checkScript } from "../server/api.js";

/** @typedef {{interpreter: string, unchecked: string|null, problems: {line: number, message: string}[]}} Check */

const PATIENCE_MS = 3000;

let last = { script: "", check: Promise.resolve(null) };

/**
 * Nobody's work waits for this: where it cannot be had there is none.
 * @param {string} script
 * @returns {Promise<Check|null>}
 */
export function checkOf(script) {
  if (!script.trim()) return Promise.resolve(null);
  if (script !== last.script) last = { script, check: checkScript(script).catch(() => null) };
  return last.check;
}

/** As `checkOf`, and soon. @param {string} script @returns {Promise<Check|null>} */
export const checkSoon = (script) =>
  Promise.race([checkOf(script), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, null))]);
