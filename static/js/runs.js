/** What a run's fields mean to a person. Pure. */
/** @typedef {import("./types.js").Run} Run */

const WORDS = {
  queued: "Queued",
  running: "Running",
  stopping: "Stopping",
  succeeded: "Succeeded",
  failed: "Failed",
  stopped: "Stopped",
  timed_out: "Timed out",
  lost: "Lost",
};

/** The states in the order in which a person meets them. */
export const STATES = ["queued", "running", "succeeded", "failed", "stopped", "timed_out", "lost"];

/** @param {Run} run @returns {boolean} whether it can still change */
export const isActive = (run) => run.state === "queued" || run.state === "running";

/** @param {string} state @returns {string} the state as a word */
export const stateWord = (state) => WORDS[state] ?? state;

/** @param {Run} run @returns {string} its state, or "stopping" on the way there */
export const shownState = (run) => (run.stopping && isActive(run) ? "stopping" : run.state);

/**
 * @param {Run} run
 * @returns {string} how it ended, such as "exit code 1" or "SIGKILL"; "" when there is nothing to add
 */
export function outcome(run) {
  if (isActive(run)) return "";
  const parts = [];
  if (run.exitcode !== null) parts.push(`exit code ${run.exitcode}`);
  if (run.signal) parts.push(run.signal);
  if (run.reason) parts.push(run.reason);
  return parts.join(" · ");
}

/**
 * @param {Run} run
 * @param {number} now
 * @returns {number} how long it has been going, or took, in milliseconds
 */
export const elapsed = (run, now) => (run.end_time ? Date.parse(run.end_time) : now) - Date.parse(run.start_time);

/** @param {string} id @returns {string} enough of a run's id to tell it apart */
export const shortId = (id) => id.slice(0, 8);

/** @param {string} script @returns {string} the first line of it that does something */
export function firstLine(script) {
  const lines = script.split("\n").map((line) => line.trim());
  return lines.find((line) => line && !line.startsWith("#")) ?? lines.find(Boolean) ?? "";
}
