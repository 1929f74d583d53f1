/** What follows a run's end: another attempt, and who is told. Pure. */
import { isActive } from "./run.js";

/**
 * @typedef {import("./types.js").Run} Run
 * @typedef {import("./types.js").Command} Command
 */

const FAILURES = ["failed", "timed_out", "lost"];
/** How long after an end what follows it may still come. */
const SOON_MS = 15_000;

/**
 * @param {Run} run
 * @param {Command|undefined} command
 * @returns {boolean} whether there may be another attempt, so that asking for it is worth a request
 */
export const mayBeRetried = (run, command) => FAILURES.includes(run.state) && isRetried(run, command);

const isRetried = (run, command) => run.attempt > 1 || Boolean(command?.retries);

/**
 * @param {Run} run
 * @param {Command|undefined} command
 * @returns {number|null} how many attempts there are at most, as the command says now; null: that cannot be said
 */
export function mostAttempts(run, command) {
  const most = (command?.retries?.limit ?? 0) + 1;
  return most > 1 && run.attempt <= most ? most : null;
}

/**
 * @param {Run} run
 * @param {Command|undefined} command
 * @returns {boolean} whether somebody may be told of it, so that asking for it is worth requests
 */
export function mayBeTold(run, command) {
  const occasions = (command?.notify ?? []).flatMap(({ on }) => on);
  return isActive(run) ? occasions.includes("long") : occasions.length > 0;
}

/**
 * @param {Run} run that somebody may be told of
 * @param {Command} command
 * @param {number} now
 * @returns {boolean} whether somebody is probably to be told of its end, which was just now
 */
export function isAboutToBeTold(run, command, now) {
  const wanted = run.state === "succeeded" ? ["succeeded", "recovered"] : FAILURES.includes(run.state) ? ["failed"] : [];
  return command.notify.some(({ on }) => on.some((occasion) => wanted.includes(occasion))) && hasJustEnded(run, now);
}

/** @param {Run} run @param {number} now @returns {boolean} */
export const hasJustEnded = (run, now) => run.end_time !== null && now - Date.parse(run.end_time) < SOON_MS;

/** @param {Run} run @param {number} now @returns {boolean} whether it waits for its time */
export const isDueLater = (run, now) =>
  run.state === "queued" && Boolean(run.not_before) && Date.parse(run.not_before) > now;
