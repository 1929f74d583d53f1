/** A modal dialog on the browser's own <dialog>: it keeps the focus, Escape closes it, focus returns. */
import { html, useLayoutEffect, useRef } from "../base/ui.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";

/**
 * @param {object} props
 * @param {unknown} props.title a string or elements
 * @param {boolean} [props.wide] for what is compared
 * @param {() => void} props.onClose
 * @param {unknown} props.children
 */
export function Dialog({ title, wide = false, onClose, children }) {
  const element = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before instanceof HTMLElement && before.isConnected && before.focus();
  }, []);
  const onBackdrop = (event) => event.target === element.current && onClose();
  return html`<dialog class=${wide ? "dialog dialog--wide" : "dialog"} ref=${element} aria-labelledby="dialog-title"
    onClose=${onClose} onClick=${onBackdrop}>
    <div class="dialog__inner">
      <h2 id="dialog-title">${title}</h2>
      ${children}
    </div>
  </dialog>`;
}

/**
 * Asks before something that cannot be undone.
 * @param {object} props
 * @param {unknown} props.title a string or elements
 * @param {string} props.action the label of the button that confirms
 * @param {string} [props.cancel] the label of the button that closes the dialog, where that is another
 * @param {boolean} [props.busy]
 * @param {string} [props.error]
 * @param {() => void} props.onConfirm
 * @param {() => void} props.onClose
 * @param {unknown} props.children
 */
export function Confirm({ title, action, cancel, busy, error, onConfirm, onClose, children }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <div class="dialog__text">${children}</div>
    ${error && html`<p class="form-error" role="alert">${error}</p>`}
    <div class="dialog__actions">
      <${Button} label=${cancel ?? t("action.cancel")} autofocus onClick=${onClose} />
      <${Button} kind="danger" label=${action} disabled=${busy} onClick=${onConfirm} />
    </div>
  <//>`;
}
