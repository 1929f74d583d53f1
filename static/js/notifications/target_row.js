/** A target as a row: what it is, and what comes of a test. */
import { html, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Ago } from "../parts/time.js";
import { testTarget } from "../server/notifications_api.js";
import { typeLabel } from "../words/notifications.js";
import { phrase, t } from "../words/words.js";

/** @typedef {import("../model/types.js").Target} Target */

/** @param {{target: Target, onEdit: (target: Target) => void, onDelete: (target: Target) => void}} props */
export function TargetRow({ target, onEdit, onDelete }) {
  const [trial, setTrial] = useState(null);
  const [test, testing] = useAction(async () => {
    setTrial(null);
    setTrial(await testTarget(target.id));
  });
  const { name } = target;
  const values = { ago: html`<${Ago} at=${target.created_at} />`, name: html`<bdi>${target.created_by}</bdi>` };
  return html`<li class="row target-row">
    <div class="target-row__what">
      <p class="target-row__name"><bdi>${name}</bdi></p>
      <p class="muted">${typeLabel(target.type)}, <bdi class="mono">${target.address}</bdi></p>
      <p class="target-row__when">${phrase("targets.made", values)}</p>
    </div>
    <div class="target-row__actions">
      <${Button} small label=${t(testing ? "targets.testing" : "targets.test")} disabled=${testing}
        aria-label=${t("targets.test-one", { name })} onClick=${test} />
      <${Button} small label=${t("targets.change")} aria-label=${t("targets.change-one", { name })}
        onClick=${() => onEdit(target)} />
      <${Button} small kind="danger-quiet" label=${t("targets.delete.action")}
        aria-label=${t("targets.delete-one", { name })} onClick=${() => onDelete(target)} />
    </div>
    <p class=${`target-row__trial ${trial?.delivered ? "" : "target-row__trial--failed"}`} role="status">
      ${trial && trialText(trial)}
    </p>
  </li>`;
}

const trialText = ({ delivered, error }) => (delivered ? t("targets.test.delivered") : t("targets.test.failed", { error }));
