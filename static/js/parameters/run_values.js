/** What a run was started with, and why. */
import { html } from "../base/ui.js";
import { t } from "../words/words.js";

/** @param {{run: import("../model/types.js").Run}} props */
export function RunValues({ run }) {
  const values = Object.entries(run.parameters ?? {});
  const cause = run.cause && run.cause.kind !== "retry" ? run.cause : null; // its attempt says so
  if (values.length === 0 && !cause) return null;
  return html`<div class="run-values" role="group" aria-label=${t("values.title")}>
    ${cause && html`<span class="muted">${t(`values.cause.${cause.kind}`)}</span>`}
    ${values.map(
      ([name, value]) => html`<span class="run-values__one" key=${name}>
        <code>${name}</code> <bdi class="run-values__value mono" title=${String(value)}>${String(value)}</bdi>
      </span>`,
    )}
  </div>`;
}
