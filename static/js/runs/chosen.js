/** What is done with runs that are chosen: two are compared, many are deleted together, after one question. */
import { toCompare } from "../base/router.js";
import { html, useState } from "../base/ui.js";
import { may } from "../model/access.js";
import { isActive, olderFirst } from "../model/run.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { showNotice } from "../parts/notice.js";
import { deleteRuns } from "../server/api.js";
import { t } from "../words/words.js";

/** @typedef {import("../model/types.js").Run} Run */

/** What the server takes at a time. */
const MOST = 500;

/** @param {Run} run @returns {boolean} */
export const isDeletable = (run) => !isActive(run) && may(run, "administer");

/**
 * The runs that are chosen, and what is done with them.
 * @param {{runs: Run[], onClear: () => void, onDeleted: () => void}} props
 */
export function Chosen({ runs, onClear, onDeleted }) {
  const [asking, setAsking] = useState(false);
  const ids = runs.filter(isDeletable).map(({ id }) => id);
  return html`<div class="chosen" role="group" aria-label=${t("runs.chosen.label")}>
    <span role="status">${t("runs.chosen", { count: runs.length })}</span>
    ${runs.length === 1 && html`<span class="muted">${t("runs.choose-another")}</span>`}
    ${runs.length === 2 && html`<${Compare} runs=${runs} />`}
    ${ids.length > 0 &&
    html`<${Button} kind="danger" small label=${t("action.delete")} onClick=${() => setAsking(true)} />`}
    <${Button} small kind="quiet" label=${t("runs.choose-none")} onClick=${onClear} />
    ${asking && html`<${Question} ids=${ids} onClose=${() => setAsking(false)} onDeleted=${onDeleted} />`}
  </div>`;
}

function Compare({ runs }) {
  const [one, other] = olderFirst(...runs);
  return html`<${Button} small icon="compare" label=${t("runs.compare")} href=${"#" + toCompare(one.id, other.id)} />`;
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
