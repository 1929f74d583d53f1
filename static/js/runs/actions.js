/** Actions on commands and runs that more than one screen offers. */
import { go, toRun } from "../base/router.js";
import { showNotice } from "../parts/notice.js";
import { signalRun, startRun, stopRun } from "../server/api.js";
import { t } from "../words/words.js";

/** Starts a run of a command and goes to its output. @param {string} commandId */
export async function startAndWatch(commandId) {
  const run = await startRun(commandId);
  go(toRun(run.id));
}

/** Pauses a run, or resumes it. @param {import("../model/types.js").Run} run */
export async function pauseOrResume(run) {
  await signalRun(run.id, run.paused ? "SIGCONT" : "SIGSTOP");
}

/** @param {import("../model/types.js").Run} run @param {string} signal such as "SIGINT" */
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
