/** One command: its script and the history of its runs. */
import { go, toCommands, toEdit } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { html, useState } from "../base/ui.js";
import { CommandHooks } from "../hooks/command_hooks.js";
import { may } from "../model/access.js";
import { changedCommand, changedRuns } from "../model/changes.js";
import { isActive } from "../model/run.js";
import { startOrAsk } from "../parameters/start_dialog.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { copyAndTell } from "../parts/copying.js";
import { Confirm } from "../parts/dialog.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { MissingScreen } from "../parts/missing.js";
import { showNotice } from "../parts/notice.js";
import { More, RunList } from "../runs/run_list.js";
import { CommandSchedules } from "../schedules/command_schedules.js";
import { PauseBanner } from "../schedules/pause.js";
import { deleteCommand, getCommand, listRunsOf } from "../server/api.js";
import { loadPages, pollInterval, useLast, usePolling } from "../server/polling.js";
import { inGroup } from "../words/access.js";
import { phrase, t } from "../words/words.js";
import { Group } from "./group.js";
import { Star, toggleOrTell } from "./star.js";
import { Strip } from "./strip.js";

/** @param {{id: string}} props */
export function CommandScreen({ id }) {
  const { value: command, problem } = usePolling(
    (options) => getCommand(id, options),
    [id],
    () => pollInterval(false),
    changedCommand,
  );
  if (problem?.status === 404) return html`<${MissingScreen} what="command" />`;
  if (!command) return html`<${Waiting} problem=${problem} />`;
  return html`<${CommandView} command=${command} />`;
}

function CommandView({ command }) {
  const [asking, setAsking] = useState(false);
  const [start, starting] = useAction(() => startOrAsk(command));
  const [mayStart, mayEdit, mayDelete] = ["operate", "edit", "administer"].map((right) => may(command, right));
  const history = useHistory(command.id);
  const shortcuts = [{ key: "Escape", description: t("command.back"), run: () => go(toCommands()) }];
  if (mayStart) shortcuts.push({ key: "s", description: t("command.start-this"), run: start });
  shortcuts.push({ key: "f", description: t("command.favourite"), run: () => toggleOrTell(command.id) });
  if (mayEdit) shortcuts.push({ key: "e", description: t("command.edit-this"), run: () => go(toEdit(command.id)) });
  useShortcuts(shortcuts);
  const beside = html`<${Star} command=${command} /><${Group} of=${command} />`;
  return html`
    <${Heading} title=${command.name} beside=${beside} trail=${[[t("commands.title"), toCommands()]]}>
      ${mayStart &&
      html`<${Button} kind="main" icon="start" label=${t("command.start")} disabled=${starting} onClick=${start} />`}
      ${mayEdit && html`<${Button} label=${t("command.edit")} href=${"#" + toEdit(command.id)} />`}
      ${mayDelete &&
      html`<${Button} kind="danger-quiet" label=${t("action.delete")} onClick=${() => setAsking(true)} />`}
    <//>
    ${command.description && html`<p class="description"><bdi>${command.description}</bdi></p>`}
    <${PauseBanner} command=${command} />
    ${command.last_run && html`<${Strip} runs=${history.runs?.items} />`}
    ${command.script === null ? html`<${NoScript} command=${command} />` : html`<${Script} script=${command.script} />`}
    ${command.warnings?.map((warning) => html`<p class="warning" key=${warning}>${warning}</p>`)}
    <${CommandSchedules} command=${command} />
    <${CommandHooks} key=${command.id} command=${command} />
    <${History} command=${command} history=${history} />
    ${asking && html`<${DeleteDialog} command=${command} onClose=${() => setAsking(false)} />`}
  `;
}

function Script({ script }) {
  const copy = () => copyAndTell(script, t("command.script.copied"));
  return html`<section class="script" aria-label=${t("command.script")}>
    <pre tabindex="0"><code>${script}</code></pre>
    <${Button} small compact icon="copy" label=${t("action.copy")} className="script__copy" onClick=${copy} />
  </section>`;
}

/** To a viewer. */
const NoScript = ({ command }) => html`<p class="script-hidden">
  ${phrase("command.script.hidden", { group: html`<bdi>${inGroup(command.group)}</bdi>` })}
</p>`;

/** Its runs, of which the strip shows the first page. */
function useHistory(id) {
  const [pages, setPages] = useState(1);
  const load = (options) => loadPages((page) => listRunsOf(id, page, options), pages);
  const pause = (list) => pollInterval(list.items.some(isActive));
  const apply = (list, change) => changedRuns(list, change, (run) => run.command_id === id);
  const { value, problem } = usePolling(load, [id, pages], pause, apply);
  return { runs: useLast(value), problem, onMore: () => setPages(pages + 1) };
}

function History({ command, history: { runs, problem, onMore } }) {
  return html`<section class="section">
    <h2>${t("command.runs")}</h2>
    ${!runs && html`<${Waiting} problem=${problem} />`}
    ${runs?.items.length === 0 && html`<${NotRun} mayStart=${may(command, "operate")} />`}
    ${runs?.items.length > 0 && html`<${RunList} runs=${runs.items} />`}
    ${runs && html`<${More} next=${runs.next} onMore=${onMore} />`}
  </section>`;
}

const NotRun = ({ mayStart }) => html`<${Empty} title=${t("command.not-run")}>
  <p>${mayStart && t("command.not-run.start") + " "}${t("command.not-run.about")}</p>
<//>`;

function DeleteDialog({ command, onClose }) {
  const [error, setError] = useState("");
  const name = html`<bdi>${command.name}</bdi>`;
  const [remove, removing] = useAction(async () => {
    try {
      await deleteCommand(command.id);
      showNotice(phrase("command.deleted", { name }));
      go(toCommands());
    } catch (problem) {
      setError(problem.message);
    }
  });
  const title = phrase("command.delete", { name });
  return html`<${Confirm} title=${title} action=${t("action.delete")} busy=${removing} error=${error}
    onConfirm=${remove} onClose=${onClose}>
    <p>${t("command.delete.about")}</p>
  <//>`;
}
