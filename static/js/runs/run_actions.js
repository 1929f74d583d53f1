/** The actions on a run: pause, stop and signal an active one, repeat and delete a finished one. */
import { copyText } from "../base/clipboard.js";
import { go, toCommand } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { html, useState } from "../base/ui.js";
import { may } from "../model/access.js";
import { isActive, shortId } from "../model/run.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { Menu } from "../parts/menu.js";
import { showNotice, showProblem } from "../parts/notice.js";
import { deleteRun } from "../server/api.js";
import { kill, pauseOrResume, send, startAndWatch, stop } from "./actions.js";

/** @typedef {import("../model/types.js").Run} Run */

const SIGNALS = [
  { label: "Interrupt", detail: "SIGINT" },
  { label: "Hang up", detail: "SIGHUP" },
  { label: "User 1", detail: "SIGUSR1" },
];

/** @param {{run: Run, reload: () => void}} props */
export const RunActions = ({ run, reload }) => html`
  ${!isActive(run) && html`<${Afterwards} run=${run} />`}
  ${isActive(run) && may(run, "operate") && html`<${Controls} run=${run} reload=${reload} />`}
  <${Button} compact icon="link" label="Copy link" onClick=${copyLink} />
`;

const copyLink = () => copyText(location.href).then(() => showNotice("Copied the link to this run."), showProblem);

function Controls({ run, reload }) {
  const [stopIt, stopping] = useAction(() => stop(run.id).then(reload));
  return html`
    ${run.stopping && html`<${KillButton} run=${run} reload=${reload} />`}
    ${run.state === "running" && !run.stopping && html`<${PauseButton} run=${run} reload=${reload} />`}
    <span class="joined">
      <${Button} icon="stop" label="Stop" disabled=${stopping || run.stopping} onClick=${stopIt} />
      ${run.state === "running" && html`<${SignalMenu} run=${run} reload=${reload} />`}
    </span>
  `;
}

function PauseButton({ run, reload }) {
  const [toggle, busy] = useAction(() => pauseOrResume(run).then(reload));
  const label = run.paused ? "Resume" : "Pause";
  useShortcuts([{ key: "p", description: "Pause the run, or resume it", run: toggle }]);
  return html`<${Button} kind=${run.paused ? "main" : undefined} icon=${run.paused ? "start" : "pause"} label=${label}
    disabled=${busy} onClick=${toggle} />`;
}

function SignalMenu({ run, reload }) {
  const [act] = useAction((action) => action().then(reload));
  const items = SIGNALS.map((item) => ({ ...item, run: () => act(() => send(run, item.detail)) }));
  items.push({ label: "Kill", detail: "SIGKILL", danger: true, run: () => act(() => kill(run.id)) });
  return html`<${Menu} label="Send another signal" items=${items} />`;
}

function KillButton({ run, reload }) {
  const [killIt, killing] = useAction(() => kill(run.id).then(reload));
  return html`<${Button} kind="danger" className="late" label="Kill now" disabled=${killing} onClick=${killIt} />`;
}

function Afterwards({ run }) {
  const [asking, setAsking] = useState(false);
  return html`
    ${may(run, "operate") && html`<${AgainButton} run=${run} />`}
    ${may(run, "administer") && html`<${Button} kind="danger-quiet" label="Delete" onClick=${() => setAsking(true)} />`}
    ${asking && html`<${DeleteDialog} run=${run} onClose=${() => setAsking(false)} />`}
  `;
}

function AgainButton({ run }) {
  const [start, starting] = useAction(() => startAndWatch(run.command_id));
  useShortcuts([{ key: "s", description: "Run the command again", run: start }]);
  return html`<${Button} icon="start" label="Run again" disabled=${starting} onClick=${start} />`;
}

function DeleteDialog({ run, onClose }) {
  const [error, setError] = useState("");
  const [remove, removing] = useAction(async () => {
    try {
      await deleteRun(run.id);
      showNotice(`Deleted run ${shortId(run.id)}.`);
      go(toCommand(run.command_id));
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title="Delete this run?" action="Delete" busy=${removing} error=${error}
    onConfirm=${remove} onClose=${onClose}>
    <p>The run and its output will be deleted; the command is kept. This cannot be undone.</p>
  <//>`;
}
