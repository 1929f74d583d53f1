/** A run's state and end in words. Pure. */
import { isActive } from "../model/run.js";

/** @typedef {import("../model/types.js").Run} Run */

const LABELS = {
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

/** @param {string} state @returns {string} the state as a word */
export const stateLabel = (state) => LABELS[state] ?? state;

/**
 * @param {Run} run
 * @returns {string} how its process ended, such as "exit code 1" or "SIGKILL"; "" when that is not known
 */
export function outcome(run) {
  if (isActive(run)) return "";
  return run.exitcode === null ? (run.signal ?? "") : `exit code ${run.exitcode}`;
}

/** @param {Run} run @returns {string} its reason as a sentence; "" for none */
export function reasonOf(run) {
  if (!run.reason) return "";
  const sentence = run.reason[0].toUpperCase() + run.reason.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : sentence + ".";
}
