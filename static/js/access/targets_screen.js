/** Where notifications go: made, tried, changed and removed by admins. */
import { useStore } from "../base/store.js";
import { html, useState } from "../base/ui.js";
import { mayGovern } from "../model/access.js";
import { TargetForm } from "../notifications/target_form.js";
import { TargetRow } from "../notifications/target_row.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { MadeOnce } from "../parts/made_once.js";
import { showNotice } from "../parts/notice.js";
import { deleteTarget, listTargets } from "../server/notifications_api.js";
import { pollInterval, usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { phrase, t } from "../words/words.js";
import { AdminsOnly } from "./not_permitted.js";
import { AccessTabs } from "./tabs.js";

/** @typedef {import("../model/types.js").Target} Target */

const NEW = {};

export function TargetsScreen() {
  const { who } = useStore(session);
  const [edited, edit] = useState(null);
  const mine = mayGovern(who);
  return html`
    <${Heading} title=${t("targets.title")}>
      ${mine &&
      !edited &&
      html`<${Button} kind="main" icon="plus" label=${t("targets.new")} onClick=${() => edit(NEW)} />`}
    <//>
    <${AccessTabs} current="targets" />
    ${mine ? html`<${Targets} edited=${edited} edit=${edit} />` : html`<${AdminsOnly} what="targets" />`}
  `;
}

/** @param {{edited: Target|{}|null, edit: (target: Target|null) => void}} props edited: NEW is one to be made */
function Targets({ edited, edit }) {
  const [made, setMade] = useState(null);
  const [asked, ask] = useState(null);
  const { value, problem, reload } = usePolling(listTargets, [], () => pollInterval(false));
  const onSaved = (target) => {
    setMade(target.secret ? target : null);
    edit(null);
    reload();
  };
  const target = edited === NEW ? null : edited;
  return html`
    ${made &&
    html`<${MadeOnce} label=${t("targets.secret.made", made)} secret=${made.secret}
      copied=${t("targets.secret.copied")} onClose=${() => setMade(null)} />`}
    ${edited &&
    html`<${TargetForm} key=${edited.id ?? "new"} target=${target} onSaved=${onSaved} onClose=${() => edit(null)} />`}
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && !edited && html`<${NoTargets} />`}
    ${value?.items.length > 0 &&
    html`<ul class="rows">
      ${value.items.map(
        (each) => html`<${TargetRow} key=${each.id + each.updated_at} target=${each} onEdit=${edit} onDelete=${ask} />`,
      )}
    </ul>`}
    ${asked && html`<${DeleteDialog} target=${asked} reload=${reload} onClose=${() => ask(null)} />`}
  `;
}

const NoTargets = () => html`<${Empty} title=${t("targets.none")}>
  <p>${t("targets.none.about")}</p>
<//>`;

function DeleteDialog({ target, reload, onClose }) {
  const [error, setError] = useState("");
  const name = html`<bdi>${target.name}</bdi>`;
  const [remove, removing] = useAction(async () => {
    try {
      await deleteTarget(target.id);
      showNotice(phrase("targets.deleted", { name }));
      onClose();
      reload();
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title=${phrase("targets.delete", { name })} action=${t("targets.delete.action")}
    busy=${removing} error=${error} onConfirm=${remove} onClose=${onClose}>
    <p>${t("targets.delete.about")}</p>
  <//>`;
}
