/** A hook as a row: what is sent where, and what it starts; and the questions before it is removed or gets a new secret. */
import { html, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { copyAndTell } from "../parts/copying.js";
import { Confirm } from "../parts/dialog.js";
import { showNotice } from "../parts/notice.js";
import { Ago } from "../parts/time.js";
import { changeHook, deleteHook, renewSecret } from "../server/hooks_api.js";
import { known, phrase, t } from "../words/words.js";

/** @typedef {import("../model/types.js").Hook} Hook */

/**
 * @param {object} props
 * @param {Hook} props.hook
 * @param {(hook: Hook) => void} props.onEdit
 * @param {(hook: Hook) => void} props.onRenew it is to get a new secret
 * @param {(hook: Hook) => void} props.onDelete
 * @param {() => void} props.reload
 */
export function HookRow({ hook, onEdit, onRenew, onDelete, reload }) {
  const { name, enabled, events, parameters } = hook;
  const [turn, turning] = useAction(async () => {
    await changeHook(hook.id, { enabled: !enabled });
    reload();
  });
  const url = new URL(hook.deliveries, location.href).href;
  const by = { ago: html`<${Ago} at=${hook.created_at} />`, name: html`<bdi>${hook.created_by}</bdi>` };
  return html`<li class=${enabled ? "row hook-row" : "row hook-row hook-row--off"}>
    <div class="hook-row__what">
      <p class="hook-row__name"><bdi>${name}</bdi>${!enabled && html` · ${t("schedule.off")}`}</p>
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
      <${Button} small label=${t("hook.secret.new")} aria-label=${t("hook.secret.new-of", { name })}
        onClick=${() => onRenew(hook)} />
      <${Button} small kind="quiet" label=${t(enabled ? "schedule.turn-off" : "schedule.turn-on")}
        aria-label=${t(enabled ? "schedule.turn-off-of" : "schedule.turn-on-of", { words: name })}
        disabled=${turning} onClick=${turn} />
      <${Button} small kind="danger-quiet" label=${t("hook.delete.action")} aria-label=${t("hook.delete-one", { name })}
        onClick=${() => onDelete(hook)} />
    </div>
  </li>`;
}

/** @param {{hook: Hook, onRenewed: (hook: Hook & {secret: string}) => void, onClose: () => void}} props */
export function RenewDialog({ hook, onRenewed, onClose }) {
  const [error, setError] = useState("");
  const [renew, renewing] = useAction(async () => {
    try {
      onRenewed(await renewSecret(hook.id));
    } catch (problem) {
      setError(problem.message);
    }
  });
  const title = phrase("hook.secret.renew", { name: html`<bdi>${hook.name}</bdi>` });
  return html`<${Confirm} title=${title} action=${t("hook.secret.new")} busy=${renewing} error=${error}
    onConfirm=${renew} onClose=${onClose}>
    <p>${t("hook.secret.renew.about")}</p>
  <//>`;
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
