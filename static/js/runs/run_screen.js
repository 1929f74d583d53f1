/** One run: its state, and its output live. */
import { go, toCommand, toCommands } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { useStore } from "../base/store.js";
import { html, useCallback, useEffect, useLayoutEffect, useState } from "../base/ui.js";
import { changedRun } from "../model/changes.js";
import { isActive, shortId, shownState } from "../model/run.js";
import { Attempts } from "../notifications/attempts.js";
import { Told } from "../notifications/told.js";
import { Output } from "../output/output.js";
import { RunValues } from "../parameters/run_values.js";
import { Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { MissingScreen } from "../parts/missing.js";
import { noteOpened, noteRun } from "../parts/notify.js";
import { State } from "../parts/state.js";
import { Ago, Elapsed, Moment } from "../parts/time.js";
import { getBegunRun, getCommand, getRun } from "../server/api.js";
import { pollInterval, usePolling } from "../server/polling.js";
import { serverState } from "../server/state.js";
import { outcome, reasonOf, stateLabel } from "../words/run.js";
import { phrase, t } from "../words/words.js";
import { useFavicon } from "./favicon.js";
import { RunActions } from "./run_actions.js";

/** @typedef {import("../model/types.js").Run} Run */

/** @param {{id: string}} props */
export function RunScreen({ id }) {
  const [run, setRun] = useState(null);
  const { value, problem, reload } = usePolling(
    (options) => getRun(id, options),
    [id],
    (fresh) => (isActive(fresh) ? pollInterval(true) : null),
    changedRun,
  );
  const learn = useCallback((news) => setRun((now) => merge(now, news)), []);
  useEffect(() => value && learn(value), [value]);
  // It may be older than the events that are heard: it is shown until the run is asked for beside them. At once, as an
  // effect comes a frame later.
  useLayoutEffect(() => void getBegunRun(id)?.then(learn, () => {}), [id]);
  const onRun = useCallback((news) => {
    learn(news);
    if (news.state && !isActive(news)) reload();
  }, []);
  if (problem?.status === 404) return html`<${MissingScreen} what="run" />`;
  if (!run) return html`<${Waiting} problem=${problem} />`;
  return html`<${RunView} run=${run} onRun=${onRun} reload=${reload} />`;
}

/** An end is never taken back by older news. @returns {Run} */
function merge(now, news) {
  const stale = now && !isActive(now) && isActive(news);
  return stale ? now : { ...now, ...news };
}

function RunView({ run, onRun, reload }) {
  const { value: command } = usePolling(
    (options) => getCommand(run.command_id, options),
    [run.command_id],
    () => null,
  );
  const name = command?.name ?? "…";
  useShortcuts([{ key: "Escape", description: t("run.back"), run: () => go(toCommand(run.command_id)) }]);
  const trail = [
    [t("commands.title"), toCommands()],
    [name, toCommand(run.command_id)],
  ];
  const tab = `${stateLabel(shownState(run))} · ${name}`;
  useFavicon(shownState(run));
  useEffect(() => noteOpened(run), [run.id]);
  useEffect(() => command && noteRun(run, command.name), [run.state, command]);
  const id = html`<span class="run__id mono" title=${run.id}>${shortId(run.id)}</span>`;
  return html`<div class="run">
    <${Heading} title=${name} tab=${tab} beside=${id} trail=${trail}><${RunActions} run=${run} reload=${reload} /><//>
    <${Facts} run=${run} command=${command} />
    <${Output} run=${run} onRun=${onRun} />
    <p class="visually-hidden" role="status" aria-live="polite">${`${stateLabel(shownState(run))}. ${outcome(run)}`}</p>
  </div>`;
}

/** Which host has it, or which pool it waits for, where there are several; and since when that host is away. */
function Where({ run }) {
  const { host_name: name, pool, away_since: since } = run;
  const away = { at: html`<${Moment} at=${since} />`, ago: html`<${Ago} at=${since} />` };
  return html`
    ${name && html`<span class="muted">${phrase("run.host", { name: html`<bdi>${name}</bdi>` })}</span>`}
    ${pool && html`<span class="muted">${phrase("run.pool", { pool: html`<bdi class="mono">${pool}</bdi>` })}</span>`}
    ${since && html`<p class="facts__reason facts__away" role="status">${phrase("run.away", away)}</p>`}
  `;
}

function Facts({ run, command }) {
  const end = outcome(run);
  const unheard = useStore(serverState).kind === "unreachable" && isActive(run);
  const [began, at] = run.state === "queued" ? ["run.queued", run.created_at] : ["run.started", run.start_time];
  const times = { at: html`<${Moment} at=${at} />`, ago: html`<${Ago} at=${at} />` };
  return html`<div class=${`facts facts--${run.state}`} role="group" aria-label=${t("run.facts")}>
    <${State} run=${run} />
    ${end && html`<span class="facts__end">${end}</span>`}
    ${unheard ? html`<span class="muted">${t("run.last-contact")}</span>` : html`<${Elapsed} run=${run} />`}
    <span class="muted">${phrase(began, times)}</span>
    <${Where} run=${run} />
    ${run.reason && !run.away_since && html`<p class="facts__reason">${reasonOf(run)}</p>`}
    <${RunValues} run=${run} />
    <${Attempts} run=${run} command=${command} />
    <${Told} run=${run} command=${command} />
  </div>`;
}
