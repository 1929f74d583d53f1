/** Grants: who has which role in which group. */
import { useStore } from "../base/store.js";
import { html, useState } from "../base/ui.js";
import { mayGovern } from "../model/access.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { showNotice } from "../parts/notice.js";
import { Ago } from "../parts/time.js";
import { More } from "../runs/run_list.js";
import { deleteGrant, listGrants } from "../server/access_api.js";
import { loadPages, pollInterval, usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { inGroup, roleName } from "../words/access.js";
import { phrase, t } from "../words/words.js";
import { GrantForm } from "./grant_form.js";
import { AdminsOnly } from "./not_permitted.js";
import { AccessTabs } from "./tabs.js";

/** @typedef {import("../model/types.js").Grant} Grant */

export function GrantsScreen() {
  const { who } = useStore(session);
  const [making, setMaking] = useState(false);
  const mine = mayGovern(who);
  const onNew = () => setMaking(true);
  return html`
    <${Heading} title=${t("grants.title")}>
      ${mine && !making && html`<${Button} kind="main" icon="plus" label=${t("grants.new")} onClick=${onNew} />`}
    <//>
    <${AccessTabs} current="grants" />
    ${mine
      ? html`<${Grants} making=${making} onClose=${() => setMaking(false)} />`
      : html`<${AdminsOnly} what="grants" />`}
  `;
}

function Grants({ making, onClose }) {
  const [pages, setPages] = useState(1);
  const [asked, ask] = useState(null);
  const load = (options) => loadPages((page) => listGrants(page, options), pages);
  const { value, problem, reload } = usePolling(load, [pages], () => pollInterval(false));
  const onMade = () => {
    onClose();
    reload();
  };
  return html`
    ${making && html`<${GrantForm} onMade=${onMade} onClose=${onClose} />`}
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && !making && html`<${NoGrants} />`}
    ${value?.items.length > 0 &&
    html`<ul class="rows">
      ${value.items.map((grant) => html`<${GrantRow} key=${grant.id} grant=${grant} onDelete=${ask} />`)}
    </ul>`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
    ${asked && html`<${DeleteDialog} grant=${asked} reload=${reload} onClose=${() => ask(null)} />`}
  `;
}

const NoGrants = () => html`<${Empty} title=${t("grants.none")}>
  <p>${t("grants.none.about")}</p>
<//>`;

function GrantRow({ grant, onDelete }) {
  const by = html`<bdi>${grant.created_by}</bdi>`;
  return html`<li class="row access-row">
    <div class="access-row__what">
      <p class="access-row__name"><bdi>${grant.principal}</bdi></p>
      <p class="muted">${roleName(grant.role)} <bdi>${inGroup(grant.group)}</bdi></p>
    </div>
    <p class="access-row__when">
      <span><${Ago} at=${grant.created_at} /></span>${" "}<span>${phrase("access.by", { name: by })}</span>
    </p>
    <${Button} small kind="danger-quiet" label=${t("grants.delete.action")}
      aria-label=${t("grants.delete-one", { name: grant.principal })} onClick=${() => onDelete(grant)} />
  </li>`;
}

function DeleteDialog({ grant, reload, onClose }) {
  const [error, setError] = useState("");
  const values = { name: html`<bdi>${grant.principal}</bdi>`, role: roleName(grant.role) };
  const [remove, removing] = useAction(async () => {
    try {
      await deleteGrant(grant.id);
      showNotice(phrase("grants.deleted", values));
      onClose();
      reload();
    } catch (problem) {
      setError(problem.message);
    }
  });
  const group = html`<bdi>${inGroup(grant.group)}</bdi>`;
  return html`<${Confirm} title=${t("grants.delete")} action=${t("grants.delete.action")} busy=${removing} error=${error}
    onConfirm=${remove} onClose=${onClose}>
    <p>${phrase("grants.delete.about", { ...values, group })}</p>
  <//>`;
}
