/** The empty state of a screen: what it is for, and the first step. */
import { html } from "../base/ui.js";
import { t } from "../words/words.js";

/** @param {{title: string, children?: unknown}} props */
export function Empty({ title, children }) {
  return html`<div class="empty">
    <h2>${title}</h2>
    ${children}
  </div>`;
}

/** The first load, shown only when it takes long enough to be noticed (by a delay in the stylesheet). */
const Loading = () => html`<p class="loading" role="status">${t("load.loading")}</p>`;

/** Until the first load: that it is under way, or what went wrong. @param {{problem: Error|null}} props */
export const Waiting = ({ problem }) => (problem ? html`<${Failed} problem=${problem} />` : html`<${Loading} />`);

/**
 * A first load that failed: what the server said, where the banner does not say it.
 * @param {{problem: import("../server/answers.js").Problem}} props
 */
function Failed({ problem }) {
  const text = problem.final ? problem.message : t("load.later");
  return html`<${Empty} title=${t("load.failed")}><p>${text}</p><//>`;
}
