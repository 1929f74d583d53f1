/** A secret that was just made and is stored nowhere as it is: not in the page either. */
import { html, useLayoutEffect, useRef } from "../base/ui.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { copyAndTell } from "./copying.js";

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.secret
 * @param {string} props.copied what is said once it is copied
 * @param {unknown} [props.children] what is said above it
 * @param {() => void} props.onClose
 */
export function MadeOnce({ label, secret, copied, onClose, children }) {
  const place = useRef(null);
  useLayoutEffect(() => place.current.focus(), []);
  return html`<div class="secret" role="group" aria-label=${label} tabindex="-1" ref=${place}>
    <p><strong>${t("secret.copy-now")}</strong></p>
    ${children}
    <code class="secret__value" tabindex="0">${secret}</code>
    <div class="form__actions">
      <${Button} kind="main" icon="copy" label=${t("action.copy")} onClick=${() => copyAndTell(secret, copied)} />
      <${Button} label=${t("action.done")} onClick=${onClose} />
    </div>
  </div>`;
}
