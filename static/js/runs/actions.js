/** Actions on commands and runs that more than one screen offers. */
import { showNotice } from "../parts/notice.js";
import { listRuns, signalRun, stopRun } from "../server/api.js";
import { t } from "../words/words.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 *
 * @param {Run} run
 * @returns {Promise<{before: Run|null, succeeded: Run|null}>} the run of its command before it, and the last before it
 * that succeeded, where that is another
 */
export async function earlierRuns(run) {
  const asked = { command_id: run.command_id, until: run.created_at, limit: 1 };
  const lists = await Promise.all([listRuns(asked), listRuns({ ...asked, state: "succeeded" })]);
  const [before, succeeded] = lists.map(({ items }) => items[0] ?? null);
  return { before, succeeded: succeeded?.id === before?.id ? null : succeeded };
}

/** Pauses a run, or resumes it. @param {Run} run */
export async function pauseOrResume(run) {
  await signalRun(run.id, run.paused ? "SIGCONT" : "SIGSTOP");
}

/** @param {Run} run @param {string} signal such as "SIGINT" */
export async function send(run, signal) {
  await signalRun(run.id, signal);
  showNotice(t(run.paused ? "run.sent.paused" : "run.sent", { signal }));
}

/** @param {string} runId */
export async function stop(runId) {
  await stopRun(runId);
}

/** Ends a run that does not heed the stop. @param {string} runId */
export async function kill(runId) {
  await stopRun(runId, { signal: "SIGKILL", grace_seconds: 0 });
}
