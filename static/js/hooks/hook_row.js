/** A hook as a row: what is sent where, and what it starts; and the question before it is removed. */
import { html, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { copyAndTell } from "../parts/copying.js";
import { Confirm } from "../parts/dialog.js";
import { showNotice } from "../parts/notice.js";
import { Ago } from "../parts/time.js";
import { deleteHook } from "../server/hooks_api.js";
import { known, phrase, t } from "../words/words.js";

/** @typedef {import("../model/types.js").Hook} Hook */

/** @param {{hook: Hook, onEdit: (hook: Hook) => void, onDelete: (hook: Hook) => void}} props */
export function HookRow({ hook, onEdit, onDelete }) {
  const { name, events, parameters } = hook;
  const url = new URL(hook.deliveries, location.href).href;
  const by = { ago: html`<${Ago} at=${hook.created_at} />`, name: html`<bdi>${hook.created_by}</bdi>` };
  return html`<li class="row hook-row">
    <div class="hook-row__what">
      <p class="hook-row__name"><bdi>${name}</bdi></p>
      <p class="muted">
        ${known(`hook.scheme.${hook.scheme}`, hook.scheme)} ·${" "}
        <bdi>${events.length > 0 ? events.join(", ") : t("hook.every")}</bdi>
      </p>
      ${Object.entries(parameters).map(
        ([parameter, pointer]) => html`<p class="muted" key=${parameter}>${phrase("hook.from", {
          parameter: html`<code>${parameter}</code>`,
          pointer: pointer === "" ? t("hook.whole") : html`<code>${pointer}</code>`,
        })}</p>`,
      )}
      <p class="hook-row__url">
        <code>${url}</code>
        <${Button} small icon="copy" iconOnly label=${t("hook.url.copy", { name })}
          onClick=${() => copyAndTell(url, t("hook.url.copied"))} />
      </p>
      <p class="hook-row__when">${phrase("hook.made", by)}</p>
    </div>
    <div class="hook-row__actions">
      <${Button} small label=${t("hook.change")} aria-label=${t("hook.change-one", { name })}
        onClick=${() => onEdit(hook)} />
      <${Button} small kind="danger-quiet" label=${t("hook.delete.action")} aria-label=${t("hook.delete-one", { name })}
        onClick=${() => onDelete(hook)} />
    </div>
  </li>`;
}

/** @param {{hook: Hook, onDeleted: (hook: Hook) => void, onClose: () => void}} props */
export function DeleteDialog({ hook, onDeleted, onClose }) {
  const [error, setError] = useState("");
  const name = html`<bdi>${hook.name}</bdi>`;
  const [remove, removing] = useAction(async () => {
    try {
      await deleteHook(hook.id);
      showNotice(phrase("hook.deleted", { name }));
      onDeleted(hook);
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title=${phrase("hook.delete", { name })} action=${t("hook.delete.action")} busy=${removing}
    error=${error} onConfirm=${remove} onClose=${onClose}>
    <p>${t("hook.delete.about")}</p>
  <//>`;
}
