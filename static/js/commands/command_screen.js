/** One command: its script and the history of its runs. */
import { copyText } from "../base/clipboard.js";
import { go, toCommands, toEdit } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { html, useState } from "../base/ui.js";
import { isActive } from "../model/run.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { MissingScreen } from "../parts/missing.js";
import { showNotice, showProblem } from "../parts/notice.js";
import { startAndWatch } from "../runs/actions.js";
import { More, RunList } from "../runs/run_list.js";
import { deleteCommand, getCommand, listRunsOf } from "../server/api.js";
import { loadPages, pollInterval, usePolling } from "../server/polling.js";

/** @param {{id: string}} props */
export function CommandScreen({ id }) {
  const { value: command, problem } = usePolling(
    (options) => getCommand(id, options),
    [id],
    () => pollInterval(false),
  );
  if (problem?.status === 404) return html`<${MissingScreen} what="command" />`;
  if (!command) return html`<${Waiting} problem=${problem} />`;
  return html`<${CommandView} command=${command} />`;
}

function CommandView({ command }) {
  const [asking, setAsking] = useState(false);
  const [start, starting] = useAction(() => startAndWatch(command.id));
  useShortcuts([
    { key: "s", description: "Start this command", run: start },
    { key: "e", description: "Edit this command", run: () => go(toEdit(command.id)) },
    { key: "Escape", description: "Back to the commands", run: () => go(toCommands()) },
  ]);
  return html`
    <${Heading} title=${command.name} trail=${[["Commands", toCommands()]]}>
      <${Button} kind="main" icon="start" label="Start" disabled=${starting} onClick=${start} />
      <${Button} label="Edit" href=${"#" + toEdit(command.id)} />
      <${Button} kind="danger-quiet" label="Delete" onClick=${() => setAsking(true)} />
    <//>
    ${command.description && html`<p class="description"><bdi>${command.description}</bdi></p>`}
    <${Script} script=${command.script} />
    ${command.warnings?.map((warning) => html`<p class="warning" key=${warning}>${warning}</p>`)}
    <${History} command=${command} />
    ${asking && html`<${DeleteDialog} command=${command} onClose=${() => setAsking(false)} />`}
  `;
}

function Script({ script }) {
  const copy = () => copyText(script).then(() => showNotice("Copied the script."), showProblem);
  return html`<section class="script" aria-label="Script">
    <pre tabindex="0"><code>${script}</code></pre>
    <${Button} small compact icon="copy" label="Copy" className="script__copy" onClick=${copy} />
  </section>`;
}

function History({ command }) {
  const [pages, setPages] = useState(1);
  const load = (options) => loadPages((page) => listRunsOf(command.id, page, options), pages);
  const { value, problem } = usePolling(load, [command.id, pages], (list) => pollInterval(list.items.some(isActive)));
  return html`<section class="section">
    <h2>Runs</h2>
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && html`<${NotRun} />`}
    ${value?.items.length > 0 && html`<${RunList} runs=${value.items} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  </section>`;
}

const NotRun = () => html`<${Empty} title="Not run yet">
  <p>Start it to see its output live. Every run is kept here, with its exit code and its output.</p>
<//>`;

function DeleteDialog({ command, onClose }) {
  const [error, setError] = useState("");
  const [remove, removing] = useAction(async () => {
    try {
      await deleteCommand(command.id);
      showNotice(html`Deleted <bdi>${command.name}</bdi>.`);
      go(toCommands());
    } catch (problem) {
      setError(problem.message);
    }
  });
  const title = html`Delete <bdi>${command.name}</bdi>?`;
  return html`<${Confirm} title=${title} action="Delete" busy=${removing} error=${error}
    onConfirm=${remove} onClose=${onClose}>
    <p>The command, all its runs and their output will be deleted. This cannot be undone.</p>
  <//>`;
}
