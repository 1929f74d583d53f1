/** Many runs are deleted together, after one question. */
import { html, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { showNotice } from "../parts/notice.js";
import { deleteRuns } from "../server/api.js";
import { t } from "../words/words.js";

/** What the server takes at a time. */
const MOST = 500;

/**
 * The runs that are chosen, and what is done with them.
 * @param {{ids: string[], onClear: () => void, onDeleted: () => void}} props
 */
export function Chosen({ ids, onClear, onDeleted }) {
  const [asking, setAsking] = useState(false);
  return html`<div class="chosen" role="group" aria-label=${t("runs.chosen.label")}>
    <span role="status">${t("runs.chosen", { count: ids.length })}</span>
    <${Button} kind="danger" small label=${t("action.delete")} onClick=${() => setAsking(true)} />
    <${Button} small kind="quiet" label=${t("runs.choose-none")} onClick=${onClear} />
    ${asking && html`<${Question} ids=${ids} onClose=${() => setAsking(false)} onDeleted=${onDeleted} />`}
  </div>`;
}

function Question({ ids, onClose, onDeleted }) {
  const [error, setError] = useState("");
  const [remove, removing] = useAction(async () => {
    try {
      tell(await deleteAll(ids), ids.length);
      onDeleted();
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title=${t("runs.delete", { count: ids.length })} action=${t("action.delete")} busy=${removing}
    error=${error} onConfirm=${remove} onClose=${onClose}>
    <p>${t("runs.delete.about")}</p>
  <//>`;
}

/** @param {string[]} ids @returns {Promise<{outcome: string, detail: string|null}[]>} of each */
async function deleteAll(ids) {
  const told = [];
  for (let at = 0; at < ids.length; at += MOST) told.push(...(await deleteRuns(ids.slice(at, at + MOST))).items);
  return told;
}

function tell(told, count) {
  const kept = told.filter(({ outcome }) => outcome !== "deleted" && outcome !== "not_found");
  if (kept.length === 0) showNotice(t("runs.deleted", { count }));
  else showNotice(t("runs.kept", { count: kept.length, why: kept[0].detail }), { isError: true });
}
