/** What the keyboard can do here. */
import { activeShortcuts, shortcutsOn, turnShortcuts } from "../shortcuts.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { Dialog } from "./dialog.js";

/** @param {{onClose: () => void}} props */
export function Help({ onClose }) {
  const on = useStore(shortcutsOn);
  return html`<${Dialog} title="Keyboard" onClose=${onClose}>
    <dl class="keys">
      ${activeShortcuts().map(({ key, does }) => html`<div class="keys__row" key=${key}><dt><kbd>${key === "Escape" ? "Esc" : key}</kbd></dt><dd>${does}</dd></div>`)}
    </dl>
    <label class="check"><input type="checkbox" checked=${on} onChange=${(event) => turnShortcuts(event.target.checked)} /> Single keys act</label>
    <div class="dialog__actions"><button type="button" class="button" onClick=${onClose}>Close</button></div>
  <//>`;
}
