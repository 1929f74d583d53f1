/** A run's state and end in words. */
import { elapsed, isActive, shownState } from "../model/run.js";
import { duration, shortTime, ticking } from "./format.js";
import { known, t } from "./words.js";

/** @typedef {import("../model/types.js").Run} Run */

/** @param {string} state @returns {string} the state as a word */
export const stateLabel = (state) => known(`state.${state}`, state);

/**
 * @param {Run} run
 * @returns {string} how its process ended, such as "exit code 1" or "SIGKILL"; "" when that is not known
 */
export function outcome(run) {
  if (isActive(run)) return "";
  return run.exitcode === null ? (run.signal ?? "") : t("end.code", { code: run.exitcode });
}

/** @param {Run} run @returns {string} its reason as a sentence; "" for none */
export function reasonOf(run) {
  if (!run.reason) return "";
  const sentence = run.reason[0].toUpperCase() + run.reason.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : sentence + ".";
}

/** @param {Run} run @returns {string} as an item of a choice, such as "Failed · 3 Feb, 14:05:09 · 2 min 5 s" */
export function runInWords(run) {
  const took = isActive(run) ? [] : [duration(elapsed(run, 0))];
  return [stateLabel(shownState(run)), shortTime(Date.parse(run.start_time)), ...took].join(" · ");
}

/**
 * @param {import("../model/strip.js").Bar} bar
 * @returns {string} such as "Failed · 3 Feb, 14:05:09 · 40 s · slower than usual"
 */
export function barInWords({ run, ms, isSlow }) {
  const took = run.state === "queued" ? [] : [isActive(run) ? ticking(ms) : duration(ms)];
  const words = [stateLabel(shownState(run)), shortTime(Date.parse(run.start_time ?? run.created_at)), ...took];
  return [...words, ...(isSlow ? [t("strip.slower")] : [])].join(" · ");
}
