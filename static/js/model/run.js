/** What a run's fields mean to a person. Pure. */
/** @typedef {import("./types.js").Run} Run */

const WORDS = {
  queued: "Queued",
  running: "Running",
  paused: "Paused",
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

/** @param {Run} run @returns {string} its state, or what becomes of it: "stopping", "paused" */
export function shownState(run) {
  if (!isActive(run)) return run.state;
  return run.stopping ? "stopping" : run.paused ? "paused" : run.state;
}

/**
 * @param {Run} run
 * @returns {string} how its process ended, such as "exit code 1" or "SIGKILL"; "" when that is not known
 */
export function outcome(run) {
  if (isActive(run)) return "";
  return run.exitcode === null ? (run.signal ?? "") : `exit code ${run.exitcode}`;
}

/** @param {Run} run @returns {string} what else there is to say of it, as a sentence; "" for nothing */
export function reasonOf(run) {
  if (!run.reason) return "";
  const sentence = run.reason[0].toUpperCase() + run.reason.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : sentence + ".";
}

/**
 * @param {Run} run
 * @param {number} now
 * @returns {number} how long it has been waiting, has been going, or took, in milliseconds
 */
export function elapsed(run, now) {
  const from = run.state === "queued" ? run.created_at : run.start_time;
  return (run.end_time ? Date.parse(run.end_time) : now) - Date.parse(from);
}

/** @param {string} id @returns {string} enough of a run's id to tell it apart */
export const shortId = (id) => id.slice(0, 8);

/** @param {string} script @returns {string} the first line of it that does something */
export function firstLine(script) {
  const lines = script.split("\n").map((line) => line.trim());
  return lines.find((line) => line && !line.startsWith("#")) ?? lines.find(Boolean) ?? "";
}
