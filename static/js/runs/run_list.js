/** Runs as rows that lead to their output. */
import { toRun } from "../base/router.js";
import { html } from "../base/ui.js";
import { shortId } from "../model/run.js";
import { AttemptSign } from "../notifications/attempts.js";
import { Button } from "../parts/button.js";
import { State } from "../parts/state.js";
import { Ago, Elapsed } from "../parts/time.js";
import { bytes } from "../words/format.js";
import { outcome, reasonOf } from "../words/run.js";
import { t } from "../words/words.js";

/** @param {{runs: import("../model/types.js").Run[]}} props of one command */
export const RunList = ({ runs }) => html`<ul class="rows run-list">
  ${runs.map((run) => html`<${RunRow} key=${run.id} run=${run} />`)}
</ul>`;

function RunRow({ run }) {
  const away = run.away_since && t("run.away.short");
  const end = [away, run.state !== "succeeded" && outcome(run), reasonOf(run)].filter(Boolean).join(" · ");
  return html`<li class="row run-row">
    <span class="run-row__state"><${State} run=${run} /></span>
    <a class="row__link run-row__name" href=${"#" + toRun(run.id)}>
      <span class="mono">${shortId(run.id)}</span> <${AttemptSign} run=${run} />
    </a>
    <span class="run-row__outcome" title=${end}>${end}</span>
    <span class="run-row__size">${bytes(run.output_bytes)}</span>
    <span class="run-row__elapsed"><${Elapsed} run=${run} /></span>
    <span class="run-row__when"><${Ago} at=${run.start_time} /></span>
  </li>`;
}

/** More of a list, when there is more. @param {{next: string|null, onMore: () => void}} props */
export const More = ({ next, onMore }) =>
  next && html`<div class="more"><${Button} label=${t("list.more")} onClick=${onMore} /></div>`;
