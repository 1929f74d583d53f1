/** Short messages that come and go at the foot of the page, and are read out. */
import { Store, useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { t } from "../words/words.js";

const SHOWN_MS = 5000;

const notice = new Store(null);
let timer = 0;

/**
 * @param {unknown} text a string or elements
 * @param {{isError?: boolean}} [options] isError: it stays until it is closed
 */
export function showNotice(text, { isError = false } = {}) {
  clearTimeout(timer);
  notice.set({ text, isError });
  if (!isError) timer = setTimeout(() => notice.set(null), SHOWN_MS);
}

/** Tells a failure that has no place of its own. @param {Error} problem */
export const showProblem = (problem) => showNotice(problem.message, { isError: true });

export function closeNotice() {
  notice.set(null);
}

export function Notice() {
  const shown = useStore(notice);
  return html`<div class="notice-place" role="status" aria-live="polite">
    ${shown && html`<${Bubble} text=${shown.text} isError=${shown.isError} />`}
  </div>`;
}

const Bubble = ({ text, isError }) => html`<div class=${isError ? "notice notice--wrong" : "notice"}>
  <span>${text}</span>
  <button type="button" class="notice__close" aria-label=${t("page.message.close")} onClick=${closeNotice}>×</button>
</div>`;
