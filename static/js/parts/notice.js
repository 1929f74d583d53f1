/** Short messages that come and go at the foot of the page, and are read out. */
import { Store, useStore } from "../base/store.js";
import { html } from "../base/ui.js";

const SHOWN_MS = 5000;

const notice = new Store(null);
let timer = 0;

/**
 * @param {unknown} text words, or elements
 * @param {{wrong?: boolean}} [options] wrong: it stays until it is closed
 */
export function say(text, { wrong = false } = {}) {
  clearTimeout(timer);
  notice.set({ text, wrong });
  if (!wrong) timer = setTimeout(() => notice.set(null), SHOWN_MS);
}

/** Tells a failure that has no place of its own. @param {Error} problem */
export const sayProblem = (problem) => say(problem.message, { wrong: true });

export function closeNotice() {
  notice.set(null);
}

export function Notice() {
  const shown = useStore(notice);
  return html`<div class="notice-place" role="status" aria-live="polite">
    ${shown && html`<${Bubble} text=${shown.text} wrong=${shown.wrong} />`}
  </div>`;
}

const Bubble = ({ text, wrong }) => html`<div class=${wrong ? "notice notice--wrong" : "notice"}>
  <span>${text}</span>
  <button type="button" class="notice__close" aria-label="Close this message" onClick=${closeNotice}>×</button>
</div>`;
