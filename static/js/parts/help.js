/** The dialog that lists the keyboard shortcuts. */
import { activeShortcuts, shortcutsOn, turnShortcuts } from "../base/shortcuts.js";
import { useStore } from "../base/store.js";
import { html, useState } from "../base/ui.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";
import { canNotify, notifyAlways, turnNotifyAlways } from "./notify.js";

const SHORT_NAMES = { Escape: "Esc", PageUp: "PgUp", PageDown: "PgDn" };

/** @param {{onClose: () => void}} props */
export function Help({ onClose }) {
  const on = useStore(shortcutsOn);
  const always = useStore(notifyAlways);
  const [denied, setDenied] = useState(false);
  const notify = async (event) => setDenied(!(await turnNotifyAlways(event.target.checked)));
  return html`<${Dialog} title=${t("page.shortcuts")} onClose=${onClose}>
    <dl class="keys">
      ${activeShortcuts().map(
        ({ key, description }) => html`<div class="keys__row" key=${key}>
          <dt><kbd>${SHORT_NAMES[key] ?? key}</kbd></dt>
          <dd>${description}</dd>
        </div>`,
      )}
    </dl>
    <label class="check">
      <input type="checkbox" checked=${on} onChange=${(event) => turnShortcuts(event.target.checked)} />
      ${t("key.enable")}
    </label>
    ${canNotify &&
    html`<label class="check">
      <input type="checkbox" checked=${always} onChange=${notify} />
      ${t("notify.always")}
    </label>`}
    ${denied && html`<p class="form-error" role="alert">${t("notify.denied")}</p>`}
    <p><a href="swagger/index.html">${t("page.api")}</a></p>
    <div class="dialog__actions"><${Button} label=${t("action.close")} onClick=${onClose} /></div>
  <//>`;
}
