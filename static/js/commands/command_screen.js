/** One command: its script and the history of its runs. */
import { copyText } from "../base/clipboard.js";
import { go, toCommands, toEdit } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { html, useState } from "../base/ui.js";
import { may } from "../model/access.js";
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
import { inGroup } from "../words/access.js";
import { Group } from "./group.js";

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
  const [mayStart, mayEdit, mayDelete] = ["operate", "edit", "administer"].map((right) => may(command, right));
  const shortcuts = [{ key: "Escape", description: "Back to the commands", run: () => go(toCommands()) }];
  if (mayStart) shortcuts.push({ key: "s", description: "Start this command", run: start });
  if (mayEdit) shortcuts.push({ key: "e", description: "Edit this command", run: () => go(toEdit(command.id)) });
  useShortcuts(shortcuts);
  const group = html`<${Group} of=${command} />`;
  return html`
    <${Heading} title=${command.name} beside=${group} trail=${[["Commands", toCommands()]]}>
      ${mayStart && html`<${Button} kind="main" icon="start" label="Start" disabled=${starting} onClick=${start} />`}
      ${mayEdit && html`<${Button} label="Edit" href=${"#" + toEdit(command.id)} />`}
      ${mayDelete && html`<${Button} kind="danger-quiet" label="Delete" onClick=${() => setAsking(true)} />`}
    <//>
    ${command.description && html`<p class="description"><bdi>${command.description}</bdi></p>`}
    ${command.script === null ? html`<${NoScript} command=${command} />` : html`<${Script} script=${command.script} />`}
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

/** To a viewer. */
const NoScript = ({ command }) => html`<p class="script-hidden">
  Its script is not shown: that takes the role operator <bdi>${inGroup(command.group)}</bdi>.
</p>`;

function History({ command }) {
  const [pages, setPages] = useState(1);
  const load = (options) => loadPages((page) => listRunsOf(command.id, page, options), pages);
  const { value, problem } = usePolling(load, [command.id, pages], (list) => pollInterval(list.items.some(isActive)));
  return html`<section class="section">
    <h2>Runs</h2>
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && html`<${NotRun} mayStart=${may(command, "operate")} />`}
    ${value?.items.length > 0 && html`<${RunList} runs=${value.items} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  </section>`;
}

const NotRun = ({ mayStart }) => html`<${Empty} title="Not run yet">
  <p>${mayStart && "Start it to see its output live. "}Every run is kept here, with its exit code and its output.</p>
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
