/** Runs of all commands as a table; on a phone each is a card. The roles stand for those that the cards take away. */
import { toRun } from "../base/router.js";
import { html } from "../base/ui.js";
import { isActive, shortId } from "../model/run.js";
import { AttemptSign } from "../notifications/attempts.js";
import { State } from "../parts/state.js";
import { Ago, Elapsed } from "../parts/time.js";
import { reasonOf } from "../words/run.js";
import { phrase, t } from "../words/words.js";
import { isDeletable } from "./chosen.js";

/** @typedef {import("../model/types.js").Run} Run */

const COLUMNS = ["command", "state", "started", "duration", "exitcode", "reason"];
/** Where some are on other hosts. */
const WITH_HOST = ["command", "state", "host", "started", "duration", "exitcode", "reason"];

/** @param {Run} run @returns {string} */
export const nameOf = (run) => run.command?.name ?? t("runs.run", { id: shortId(run.id) });

/**
 * @param {object} props
 * @param {Run[]} props.runs
 * @param {Set<string>} props.chosen
 * @param {(ids: string[], isChosen: boolean, toLast?: boolean) => void} props.onChoose toLast: with all from the one
 * that was chosen before on
 */
export function RunsTable({ runs, chosen, onChoose }) {
  const deletable = runs.filter(isDeletable).map(({ id }) => id);
  const all = deletable.length > 0 && deletable.every((id) => chosen.has(id));
  const hasHosts = runs.some(({ host_name: name, pool }) => name || pool);
  const some = !all && deletable.some((id) => chosen.has(id));
  return html`<table class="runs-table" role="table" aria-label=${t("runs.title")}>
    <thead role="rowgroup">
      <tr role="row">
        <th role="columnheader" class="runs-table__choose">
          ${deletable.length > 0
            ? html`<input type="checkbox" aria-label=${t("runs.choose-all")} checked=${all} indeterminate=${some}
                onChange=${({ target }) => onChoose(deletable, target.checked)} />`
            : html`<span class="visually-hidden">${t("runs.chosen.label")}</span>`}
        </th>
        ${(hasHosts ? WITH_HOST : COLUMNS).map((name) => html`<th role="columnheader" scope="col" key=${name}>${t(`runs.column.${name}`)}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${runs.map(
        (run) => html`<${RunRow} key=${run.id} run=${run} hasHosts=${hasHosts} isChosen=${chosen.has(run.id)}
          onChoose=${onChoose} />`,
      )}
    </tbody>
  </table>`;
}

/** The host that has a run, or the pool that it waits in. @param {{run: Run}} props */
function HostOf({ run }) {
  if (run.host_name) {
    return html`<bdi>${run.host_name}</bdi>
      ${run.away_since && html` <span class="runs-row__away">${t("run.away.short")}</span>`}`;
  }
  return run.pool && phrase("run.pool", { pool: html`<bdi class="mono">${run.pool}</bdi>` });
}

function RunRow({ run, hasHosts, isChosen, onChoose }) {
  const name = nameOf(run);
  const reason = reasonOf(run);
  return html`<tr role="row" class=${isChosen ? "runs-row runs-row--chosen" : "runs-row"}>
    <td role="cell" class="runs-table__choose above">
      <input type="checkbox" aria-label=${t("runs.choose", { name })} checked=${isChosen}
        onClick=${({ target, shiftKey }) => onChoose([run.id], target.checked, shiftKey)} />
    </td>
    <td role="cell" class="runs-row__name"><a class="row__link" href=${"#" + toRun(run.id)}><bdi>${name}</bdi></a> <${AttemptSign} run=${run} /></td>
    <td role="cell" class="runs-row__state"><${State} run=${run} /></td>
    ${hasHosts && html`<td role="cell" class="runs-row__host"><${HostOf} run=${run} /></td>`}
    <td role="cell" class="runs-row__when"><${Ago} at=${run.start_time} /></td>
    <td role="cell" class="runs-row__elapsed"><${Elapsed} run=${run} /></td>
    <td role="cell" class="runs-row__end" data-label=${t("runs.column.exitcode")}>${isActive(run) ? "" : (run.exitcode ?? run.signal ?? "")}</td>
    <td role="cell" class="runs-row__reason" title=${reason}>${reason}</td>
  </tr>`;
}
