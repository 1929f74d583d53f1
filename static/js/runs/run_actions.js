/** The actions on a run: pause, stop and signal an active one, repeat and delete a finished one. */
import { go, toCommand, toCompare } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { useStore } from "../base/store.js";
import { html, useState } from "../base/ui.js";
import { may } from "../model/access.js";
import { isActive, shortId } from "../model/run.js";
import { ask, startAgain } from "../parameters/start_dialog.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { copyAndTell } from "../parts/copying.js";
import { Confirm } from "../parts/dialog.js";
import { Menu } from "../parts/menu.js";
import { showNotice } from "../parts/notice.js";
import { canNotify, toggleWish, wishes } from "../parts/notify.js";
import { abandonRun, deleteRun } from "../server/api.js";
import { runInWords } from "../words/run.js";
import { t } from "../words/words.js";
import { earlierRuns, kill, pauseOrResume, send, stop } from "./actions.js";

/** @typedef {import("../model/types.js").Run} Run */

const SIGNALS = [
  ["run.interrupt", "SIGINT"],
  ["run.hang-up", "SIGHUP"],
  ["run.user-1", "SIGUSR1"],
];

/** @param {{run: Run, reload: () => void}} props */
export const RunActions = ({ run, reload }) => html`
  ${canNotify && isActive(run) && html`<${NotifyButton} run=${run} />`}
  ${!isActive(run) && html`<${Afterwards} run=${run} />`}
  ${isActive(run) && may(run, "operate") && html`<${Controls} run=${run} reload=${reload} />`}
  <${CompareMenu} run=${run} />
  <${Button} compact icon="link" label=${t("run.copy-link")} onClick=${copyLink} />
`;

const copyLink = () => copyAndTell(location.href, t("run.link-copied"));

/** What it is compared with is looked for once somebody asks. */
function CompareMenu({ run }) {
  const [items, setItems] = useState([]);
  const find = async () => {
    const found = Object.entries(await earlierRuns(run)).filter(([, other]) => other);
    setItems(found.map(([which, other]) => ({
      label: t(`run.compare.${which}`),
      detail: runInWords(other),
      run: () => go(toCompare(other.id, run.id)),
    })));
    if (found.length === 0) showNotice(t("run.compare.none"));
    return found.length > 0;
  };
  return html`<${Menu} icon="compare" label=${t("run.compare")} items=${items} onOpen=${find} />`;
}

function NotifyButton({ run }) {
  const wished = useStore(wishes).has(run.id);
  const [toggle, asking] = useAction(async () => {
    if (!(await toggleWish(run.id))) showNotice(t("notify.denied"), { isError: true });
  });
  return html`<${Button} iconOnly kind=${wished ? undefined : "quiet"} icon="bell" label=${t("notify.run")}
    aria-pressed=${wished} disabled=${asking} onClick=${toggle} />`;
}

/** A stop is kept for a host that is away; signals are not. @param {Run} run */
const isReached = (run) => run.state === "running" && !run.away_since;

function Controls({ run, reload }) {
  const [stopIt, stopping] = useAction(() => stop(run.id).then(reload));
  return html`
    ${run.away_since && html`<${AbandonButton} run=${run} reload=${reload} />`}
    ${run.stopping && html`<${KillButton} run=${run} reload=${reload} />`}
    ${isReached(run) && !run.stopping && html`<${PauseButton} run=${run} reload=${reload} />`}
    <span class="joined">
      <${Button} icon="stop" label=${t("run.stop")} disabled=${stopping || run.stopping} onClick=${stopIt} />
      ${isReached(run) && html`<${SignalMenu} run=${run} reload=${reload} />`}
    </span>
  `;
}

/** Nobody knows what becomes of it: somebody may decide that it is lost. */
function AbandonButton({ run, reload }) {
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState("");
  const [abandon, abandoning] = useAction(async () => {
    try {
      await abandonRun(run.id);
      showNotice(t("run.abandoned"));
      setAsking(false);
      reload();
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`
    <${Button} kind="danger-quiet" label=${t("run.abandon")} onClick=${() => setAsking(true)} />
    ${asking &&
    html`<${Confirm} title=${t("run.abandon.ask")} action=${t("run.abandon")} busy=${abandoning} error=${error}
      onConfirm=${abandon} onClose=${() => setAsking(false)}>
      <p>${t("run.abandon.about")}</p>
    <//>`}
  `;
}

function PauseButton({ run, reload }) {
  const [toggle, busy] = useAction(() => pauseOrResume(run).then(reload));
  const label = t(run.paused ? "run.resume" : "run.pause");
  useShortcuts([{ key: "p", description: t("run.pause-or-resume"), run: toggle }]);
  return html`<${Button} kind=${run.paused ? "main" : undefined} icon=${run.paused ? "start" : "pause"} label=${label}
    disabled=${busy} onClick=${toggle} />`;
}

function SignalMenu({ run, reload }) {
  const [act] = useAction((action) => action().then(reload));
  const items = SIGNALS.map(([key, detail]) => ({ label: t(key), detail, run: () => act(() => send(run, detail)) }));
  items.push({ label: t("run.kill"), detail: "SIGKILL", danger: true, run: () => act(() => kill(run.id)) });
  return html`<${Menu} label=${t("run.other-signal")} items=${items} />`;
}

function KillButton({ run, reload }) {
  const [killIt, killing] = useAction(() => kill(run.id).then(reload));
  return html`<${Button} kind="danger" className="late" label=${t("run.kill-now")} disabled=${killing}
    onClick=${killIt} />`;
}

function Afterwards({ run }) {
  const [asking, setAsking] = useState(false);
  return html`
    ${may(run, "operate") && html`<${AgainButton} run=${run} />`}
    ${may(run, "administer") &&
    html`<${Button} kind="danger-quiet" label=${t("action.delete")} onClick=${() => setAsking(true)} />`}
    ${asking && html`<${DeleteDialog} run=${run} onClose=${() => setAsking(false)} />`}
  `;
}

function AgainButton({ run }) {
  const [start, starting] = useAction(() => startAgain(run));
  const [other] = useAction(() => ask(run.command_id, run.parameters));
  useShortcuts([{ key: "s", description: t("run.again-key"), run: start }]);
  const again = html`<${Button} icon="start" label=${t("run.again")} disabled=${starting} onClick=${start} />`;
  if (!run.parameters_truncated && Object.keys(run.parameters ?? {}).length === 0) return again;
  return html`<span class="joined">
    ${again}
    <${Menu} label=${t("values.other.menu")} items=${[{ label: t("values.other"), run: other }]} />
  </span>`;
}

function DeleteDialog({ run, onClose }) {
  const [error, setError] = useState("");
  const [remove, removing] = useAction(async () => {
    try {
      await deleteRun(run.id);
      showNotice(t("run.deleted", { id: shortId(run.id) }));
      go(toCommand(run.command_id));
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title=${t("run.delete")} action=${t("action.delete")} busy=${removing}
    error=${error} onConfirm=${remove} onClose=${onClose}>
    <p>${t("run.delete.about")}</p>
  <//>`;
}
