/** The last runs of a command as bars, as high as they took long; what is usual, and what is not. Pure. */
import { elapsed, isActive } from "./run.js";

/**
 * @typedef {import("./types.js").Run} Run
 *
 * @typedef {object} Bar
 * @property {Run} run
 * @property {number} ms that it took, or has been going
 * @property {number} height from 0 to 1
 * @property {boolean} isCut it took longer than the highest bar stands for
 * @property {boolean} isSlow it took, or takes, longer than usual
 */

export const MOST_BARS = 50;
/** Bars stand for up to so many times what is usual: one that took 100 times as long would flatten the others. */
const HIGHEST = 3;
/** So much longer is slower: in proportion, and in milliseconds, since short runs vary by chance. */
const SLOWER = 1.5;
const SLOWER_MS = 1000;
/** Of fewer nothing is usual. */
const LEAST = 3;

/**
 * @param {Run[]} runs newest first
 * @param {number} now
 * @returns {{bars: Bar[], usual: number|null, top: number}} bars: the newest last; usual: milliseconds, the median of
 * those that succeeded, or of all that ended where those are too few; top: milliseconds that the full height stands for
 */
export function stripOf(runs, now) {
  const last = runs.slice(0, MOST_BARS).reverse();
  const taken = new Map(last.map((run) => [run.id, took(run, now)]));
  const usual = usually(last, taken);
  const longest = Math.max(1, ...taken.values());
  const top = usual ? Math.min(longest, HIGHEST * usual) : longest;
  const bars = last.map((run) => {
    const ms = taken.get(run.id);
    const isSlow = usual !== null && ms > SLOWER * usual && ms - usual > SLOWER_MS;
    return { run, ms, height: Math.min(1, ms / top), isCut: ms > top, isSlow };
  });
  return { bars, usual, top };
}

function took(run, now) {
  if (run.state === "queued" || (!isActive(run) && !run.end_time)) return 0;
  return Math.max(0, elapsed(run, now));
}

function usually(runs, taken) {
  const ended = runs.filter((run) => !isActive(run));
  const succeeded = ended.filter(({ state }) => state === "succeeded");
  const those = succeeded.length >= LEAST ? succeeded : ended;
  if (those.length < LEAST) return null;
  const sorted = those.map(({ id }) => taken.get(id)).sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
