/** A run's state: a small dot and a word, never a colour alone. */
import { html } from "../base/ui.js";
import { shownState } from "../model/run.js";
import { stateLabel } from "../words/run.js";
import { t } from "../words/words.js";

/** @param {{run: import("../model/types.js").Run|null|undefined}} props no run: never started */
export function State({ run }) {
  if (!run) return html`<span class="state state--none"><span class="state__dot"></span>${t("state.none")}</span>`;
  const state = shownState(run);
  return html`<span class=${`state state--${state}`}><span class="state__dot"></span>${stateLabel(state)}</span>`;
}
