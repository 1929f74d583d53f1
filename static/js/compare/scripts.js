/** What differs in what two runs execute. */
import { html } from "../base/ui.js";
import { DifferenceView, useDifference } from "../difference/difference_view.js";
import { may } from "../model/access.js";
import { NotRead } from "../parts/not_read.js";
import { getRunScript } from "../server/api.js";
import { usePolling } from "../server/polling.js";
import { t } from "../words/words.js";

const FORBIDDEN = 403;

/** @param {{runs: [import("../model/types.js").Run, import("../model/types.js").Run]}} props */
export const Scripts = ({ runs }) => html`<section class="section">
  <h2>${t("compare.script")}</h2>
  ${runs.every((run) => may(run, "operate")) ? html`<${Compared} ids=${runs.map(({ id }) => id)} />` : html`<${Hidden} />`}
</section>`;

const Hidden = () => html`<p class="muted">${t("compare.script.hidden")}</p>`;

function Compared({ ids }) {
  const { value, problem } = usePolling(
    (options) => Promise.all(ids.map((id) => getRunScript(id, options))),
    ids,
    () => null,
  );
  const [before, after] = value?.map(({ script }) => script) ?? [null, null];
  const difference = useDifference(before, after);
  if (problem?.status === FORBIDDEN) return html`<${Hidden} />`;
  if (problem && !value) return html`<${NotRead} problem=${problem} />`;
  return html`<${DifferenceView} difference=${difference} label=${t("compare.script")} />`;
}
