/** What a person does to commands and runs from more than one screen. */
import { go, toRun } from "../base/router.js";
import { useRef, useState } from "../base/ui.js";
import { say, sayProblem } from "../parts/notice.js";
import { signalRun, startRun, stopRun } from "../server/api.js";

/**
 * One action at a time: a second press while the first is under way does nothing.
 * @param {(...args: any[]) => Promise<void>} action
 * @returns {[(...args: any[]) => Promise<void>, boolean]} the action, and whether it is under way
 */
export function useAction(action) {
  const [busy, setBusy] = useState(false);
  const under = useRef(false);
  const act = async (...args) => {
    if (under.current) return;
    under.current = true;
    setBusy(true);
    try {
      await action(...args);
    } catch (problem) {
      sayProblem(problem);
    } finally {
      under.current = false;
      setBusy(false);
    }
  };
  return [act, busy];
}

/** Starts a run of a command and goes to its output. @param {string} commandId */
export async function startAndWatch(commandId) {
  const run = await startRun(commandId);
  go(toRun(run.id));
}

/** Freezes a run, or lets it go on. @param {import("../model/types.js").Run} run */
export async function pauseOrResume(run) {
  await signalRun(run.id, run.paused ? "SIGCONT" : "SIGSTOP");
}

/** @param {import("../model/types.js").Run} run @param {string} signal such as "SIGINT" */
export async function send(run, signal) {
  await signalRun(run.id, signal);
  say(run.paused ? `Sent ${signal}. The run is paused and will receive it when it is resumed.` : `Sent ${signal}.`);
}

/** @param {string} runId */
export async function stop(runId) {
  await stopRun(runId);
}

/** Ends a run that does not heed the stop. @param {string} runId */
export async function kill(runId) {
  await stopRun(runId, { signal: "SIGKILL", grace_seconds: 0 });
}
