/** What a run's fields mean. Pure. */
/** @typedef {import("./types.js").Run} Run */

/** The states in the order of a run's life. */
export const STATES = ["queued", "running", "succeeded", "failed", "stopped", "timed_out", "lost"];

/** @param {Run} run @returns {boolean} whether it can still change */
export const isActive = (run) => run.state === "queued" || run.state === "running";

/** @param {Run} run @returns {string} its state, or what becomes of it: "stopping", "paused" */
export function shownState(run) {
  if (!isActive(run)) return run.state;
  return run.stopping ? "stopping" : run.paused ? "paused" : run.state;
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

/** @param {Run} one @param {Run} other @returns {[Run, Run]} the older one first */
export const olderFirst = (one, other) =>
  Date.parse(one.created_at) <= Date.parse(other.created_at) ? [one, other] : [other, one];

/** @param {string} id @returns {string} enough of a run's id to tell it apart */
export const shortId = (id) => id.slice(0, 8);

/** @param {string} script @returns {string} the first line of it that does something */
export function firstLine(script) {
  const lines = script.split("\n").map((line) => line.trim());
  return lines.find((line) => line && !line.startsWith("#")) ?? lines.find(Boolean) ?? "";
}
