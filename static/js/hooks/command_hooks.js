/** A command's hooks, on its own screen: asked for once somebody opens them, since most commands have none. */
import { html, useRef, useState } from "../base/ui.js";
import { may } from "../model/access.js";
import { Button } from "../parts/button.js";
import { Waiting } from "../parts/empty.js";
import { MadeOnce } from "../parts/made_once.js";
import { listHooks } from "../server/hooks_api.js";
import { usePolling } from "../server/polling.js";
import { t } from "../words/words.js";
import { HookForm } from "./hook_form.js";
import { DeleteDialog, HookRow, RenewDialog } from "./hook_row.js";

/**
 * @typedef {import("../model/types.js").Command} Command
 * @typedef {import("../model/types.js").Hook} Hook
 */

const NEW = {};

/** @param {{command: Command}} props */
export function CommandHooks({ command }) {
  const [open, setOpen] = useState(false);
  if (!may(command, "edit")) return null;
  return html`<details class="section hooks" onToggle=${(event) => setOpen(event.target.open)}>
    <summary><h2>${t("hooks.title")}</h2></summary>
    ${open && html`<${Hooks} command=${command} />`}
  </details>`;
}

function Hooks({ command }) {
  const [edited, edit] = useState(null);
  const [made, setMade] = useState(null);
  const [asked, ask] = useState(null);
  const [renewed, renew] = useState(null);
  const add = useRef(null);
  const { value, problem, reload } = usePolling(
    (options) => listHooks(command.id, options),
    [command.id],
    () => null,
  );
  const focusAdd = () => add.current?.querySelector("button")?.focus();
  const onSaved = (hook) => {
    if (hook.secret) setMade(hook);
    edit(null);
    reload();
  };
  const onRenewed = (hook) => {
    renew(null);
    setMade(hook);
  };
  const onSeen = () => {
    setMade(null);
    focusAdd();
  };
  const onDeleted = (hook) => {
    if (made?.id === hook.id) setMade(null);
    if (edited?.id === hook.id) edit(null);
    ask(null);
    reload();
    focusAdd();
  };
  return html`<div class="hooks__head">
      <p class="muted">${t("hooks.about")}</p>
      <div ref=${add}>
        <${Button} small icon="plus" label=${t("hook.new")} aria-expanded=${String(edited === NEW)}
          onClick=${() => edit(edited === NEW ? null : NEW)} />
      </div>
    </div>
    ${made &&
    html`<${MadeOnce} key=${made.secret} label=${t("hook.secret.made", made)} secret=${made.secret}
      copied=${t("hook.secret.copied")} onClose=${onSeen} />`}
    ${edited &&
    html`<${HookForm} key=${edited.id ?? "new"} command=${command} hook=${edited === NEW ? null : edited}
      onSaved=${onSaved} onClose=${() => edit(null)} />`}
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && !edited && html`<p class="muted">${t("hooks.none")}</p>`}
    ${value?.items.length > 0 &&
    html`<ul class="rows">
      ${value.items.map((each) => html`<${HookRow} key=${each.id} hook=${each} onEdit=${edit} onRenew=${renew}
        onDelete=${ask} reload=${reload} />`)}
    </ul>`}
    ${renewed && html`<${RenewDialog} hook=${renewed} onRenewed=${onRenewed} onClose=${() => renew(null)} />`}
    ${asked && html`<${DeleteDialog} hook=${asked} onDeleted=${onDeleted} onClose=${() => ask(null)} />`}`;
}
