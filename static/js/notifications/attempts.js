/** Which attempt a run is, when it is due, and which run was before it and is after it. */
import { toRun } from "../base/router.js";
import { html } from "../base/ui.js";
import { may } from "../model/access.js";
import { changedRuns } from "../model/changes.js";
import { hasJustEnded, isDueLater, mayBeRetried, mostAttempts } from "../model/following.js";
import { isActive, shortId } from "../model/run.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Ahead, Moment } from "../parts/time.js";
import { listRuns, stopRun } from "../server/api.js";
import { serverNow, useTick } from "../server/clock.js";
import { pollInterval, usePolling } from "../server/polling.js";
import { stateLabel } from "../words/run.js";
import { phrase, t } from "../words/words.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 * @typedef {import("../model/types.js").Command} Command
 */

const TICK_MS = 1000;

/** In lists: which attempt it is, but of the first. @param {{run: Run}} props */
export const AttemptSign = ({ run }) =>
  run.attempt > 1 && html`<span class="attempt">${t("attempts.sign", { attempt: run.attempt })}</span>`;

/** @param {{run: Run, command: Command|undefined}} props */
export function Attempts({ run, command }) {
  if (mayBeRetried(run, command)) return html`<${Followed} run=${run} command=${command} />`;
  return run.attempt > 1 && html`<p class="attempts"><${This} run=${run} command=${command} /></p>`;
}

/** It has ended badly: the attempt after it is asked for, once; that there is one, and what becomes of it, is told. */
function Followed({ run, command }) {
  const load = (options) => listRuns({ retry_of: run.id, limit: 1 }, options);
  const pause = ({ items: [next] }) =>
    next ? isActive(next) && pollInterval(true) : hasJustEnded(run, serverNow()) && pollInterval(true);
  const apply = (list, change) => changedRuns(list, change, (other) => other.retry_of === run.id);
  const { value, reload } = usePolling(load, [run.id], (list) => pause(list) || null, apply);
  const next = value?.items[0];
  if (!next && !(run.attempt > 1)) return null;
  return html`<p class="attempts">
    <${This} run=${run} command=${command} />
    ${next && html`<${Next} run=${next} reload=${reload} />`}
  </p>`;
}

function This({ run, command }) {
  const waits = isDueLater(run, serverNow());
  useTick(waits ? TICK_MS : null);
  const most = mostAttempts(run, command);
  const due = waits && { at: html`<${Moment} at=${run.not_before} />`, ahead: html`<${Ahead} at=${run.not_before} />` };
  return html`
    <strong>${most ? t("attempts.of", { attempt: run.attempt, most }) : t("attempts.this", run)}</strong>
    ${run.retry_of && html`<span>${phrase("attempts.before", { run: linkTo(run.retry_of) })}</span>`}
    ${due && html`<span>${phrase("attempts.due", due)}</span>`}
  `;
}

function Next({ run, reload }) {
  const waits = isDueLater(run, serverNow());
  useTick(waits ? TICK_MS : null);
  const values = { run: linkTo(run.id), state: stateLabel(run.state) };
  if (waits) {
    const due = { at: html`<${Moment} at=${run.not_before} />`, ahead: html`<${Ahead} at=${run.not_before} />` };
    return html`<span>${phrase("attempts.next", { ...values, ...due })}</span>
      ${may(run, "operate") && html`<${StopNext} run=${run} reload=${reload} />`}`;
  }
  const at = html`<${Moment} at=${run.start_time} />`;
  return html`<span>${phrase("attempts.after", { ...values, at })}</span>`;
}

function StopNext({ run, reload }) {
  const [stop, stopping] = useAction(() => stopRun(run.id).then(reload));
  return html`<${Button} small icon="stop" label=${t("attempts.stop")} disabled=${stopping} onClick=${stop} />`;
}

const linkTo = (id) => html`<a class="mono" href=${"#" + toRun(id)}>${shortId(id)}</a>`;
