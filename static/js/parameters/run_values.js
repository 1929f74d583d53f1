/** What a run was started with, and why. */
import { toRun } from "../base/router.js";
import { html } from "../base/ui.js";
import { shortId } from "../model/run.js";
import { phrase, t } from "../words/words.js";

/** @param {{run: import("../model/types.js").Run}} props */
export function RunValues({ run }) {
  const values = Object.entries(run.parameters ?? {});
  const { cause, attempt = 1, retry_of: before } = run;
  if (values.length === 0 && !cause && attempt === 1) return null;
  return html`<div class="run-values" role="group" aria-label=${t("values.title")}>
    ${cause && html`<span class="muted">${t(`values.cause.${cause.kind}`)}</span>`}
    ${attempt > 1 && html`<span class="muted">${t("values.attempt", { attempt })}</span>`}
    ${before && html`<a href=${"#" + toRun(before)}>${phrase("values.retry-of", { id: shortId(before) })}</a>`}
    ${values.map(
      ([name, value]) => html`<span class="run-values__one" key=${name}>
        <code>${name}</code> <bdi class="run-values__value mono" title=${String(value)}>${String(value)}</bdi>
      </span>`,
    )}
  </div>`;
}
