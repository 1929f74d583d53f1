/** One run: its state, and its output live. */
import { kill, startAndWatch, stop, useAction } from "../actions.js";
import { getCommand, getRun } from "../api.js";
import { copyText } from "../clipboard.js";
import { exactTime } from "../format.js";
import { pauseFor, useFresh } from "../fresh.js";
import { Button } from "../parts/button.js";
import { Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { say, sayProblem } from "../parts/notice.js";
import { Output } from "../parts/output.js";
import { State } from "../parts/state.js";
import { Ago, Elapsed } from "../parts/time.js";
import { go, toCommand, toCommands } from "../router.js";
import { isActive, outcome, shortId, stateWord } from "../runs.js";
import { useShortcuts } from "../shortcuts.js";
import { html, useCallback, useEffect, useState } from "../ui.js";
import { MissingScreen } from "./missing.js";

/** @typedef {import("../types.js").Run} Run */

/** @param {{id: string}} props */
export function RunScreen({ id }) {
  const [run, setRun] = useState(null);
  const { value, problem, reload } = useFresh(
    (options) => getRun(id, options),
    [id],
    (fresh) => (isActive(fresh) ? pauseFor(true) : null),
  );
  const learn = useCallback((news) => setRun((now) => merge(now, news)), []);
  useEffect(() => value && learn(value), [value]);
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
  const { value: command } = useFresh(
    (options) => getCommand(run.command_id, options),
    [run.command_id],
    () => null,
  );
  const name = command?.name ?? "…";
  useShortcuts([{ key: "Escape", does: "Back to the command", run: () => go(toCommand(run.command_id)) }]);
  const trail = [
    ["Commands", toCommands()],
    [name, toCommand(run.command_id)],
  ];
  const id = html`<span class="run__id mono" title=${run.id}>${shortId(run.id)}</span>`;
  return html`<div class="run">
    <${Heading} title=${name} beside=${id} trail=${trail}><${RunActions} run=${run} reload=${reload} /><//>
    <${Facts} run=${run} />
    <${Output} run=${run} onRun=${onRun} />
    <p class="visually-hidden" role="status" aria-live="polite">${`${stateWord(run.state)}. ${outcome(run)}`}</p>
  </div>`;
}

function RunActions({ run, reload }) {
  const [start, starting] = useAction(() => startAndWatch(run.command_id));
  const [stopIt, stopping] = useAction(() => stop(run.id).then(reload));
  const active = isActive(run);
  useShortcuts(active ? [] : [{ key: "s", does: "Run the command again", run: start }]);
  return html`
    ${active && run.stopping && html`<${KillButton} run=${run} reload=${reload} />`}
    ${active && html`<${Button} icon="stop" words="Stop" disabled=${stopping || run.stopping} onClick=${stopIt} />`}
    ${!active && html`<${Button} icon="start" words="Run again" disabled=${starting} onClick=${start} />`}
    <${Button} brief icon="link" words="Copy link" onClick=${copyLink} />
  `;
}

function KillButton({ run, reload }) {
  const [killIt, killing] = useAction(() => kill(run.id).then(reload));
  return html`<${Button} kind="danger" also="late" words="Kill now" disabled=${killing} onClick=${killIt} />`;
}

const copyLink = () => copyText(location.href).then(() => say("Copied the link to this run."), sayProblem);

function Facts({ run }) {
  const end = outcome(run);
  return html`<div class=${`facts facts--${run.state}`}>
    <${State} run=${run} />
    ${end && html`<span class="facts__end">${end}</span>`}
    <span title=${`Started ${exactTime(Date.parse(run.start_time))}`}><${Elapsed} run=${run} /></span>
    ${!isActive(run) && html`<span class="muted">started <${Ago} at=${run.start_time} /></span>`}
  </div>`;
}
