/** What a command says of its runs' ends, as a form holds it: retries, and who is told. Pure. */

/**
 * @typedef {import("./types.js").Retries} Retries
 * @typedef {{target: string, on: string[]}} Notify
 * @typedef {{retries?: Retries|null, notify?: Notify[]|null}} Ends
 */

/** The ends after which a run may be tried again, in the order in which the page offers them. */
export const RETRIED = ["failed", "timed_out", "lost"];

/** A run is tried again once more each time, each time a while later. @type {Retries} */
export const USUAL = { limit: 0, delay_seconds: 60, backoff: 2, on: RETRIED, exit_codes: [] };

/** A number, where a text is one: what is none is left to the server. @param {string} text */
const number = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text.trim());

/**
 * @param {Record<string, string>} texts of the fields
 * @param {string[]} on
 * @returns {Retries|null} null: it is not tried again
 */
export function retriesFrom({ limit, delay_seconds: delay, backoff, exit_codes: codes }, on) {
  if (limit.trim() === "") return null;
  const exitCodes = codes.split(/[\s,;]+/).filter(Boolean);
  const numbers = { limit: number(limit), delay_seconds: number(delay), backoff: number(backoff) };
  return { ...numbers, on, exit_codes: exitCodes.map(number) };
}

/** @param {[string, string][]} chosen targets with occasions @returns {Notify[]|null} null: nobody is told */
export function notifyFrom(chosen) {
  const byTarget = new Map();
  for (const [target, occasion] of chosen) byTarget.set(target, [...(byTarget.get(target) ?? []), occasion]);
  return byTarget.size > 0 ? [...byTarget].map(([target, on]) => ({ target, on })) : null;
}

/** @param {Notify[]|null|undefined} notify @returns {(target: string, occasion: string) => boolean} */
export const isChosen = (notify) => (target, occasion) =>
  (notify ?? []).some((one) => one.target === target && one.on.includes(occasion));

/** @param {Ends} one @param {Ends} other @returns {boolean} whether they say the same; what is not said is nothing */
export const sameEnds = (one, other) => JSON.stringify(plain(one)) === JSON.stringify(plain(other));

function plain({ retries, notify }) {
  const said = retries && Object.keys(USUAL).map((name) => inOrder(retries[name] ?? USUAL[name]));
  const told = (notify ?? []).map(({ target, on }) => [target, inOrder(on)]);
  return [said ?? null, told.sort(([a], [b]) => (a < b ? -1 : 1))];
}

const inOrder = (value) => (Array.isArray(value) ? [...value].sort() : value);
