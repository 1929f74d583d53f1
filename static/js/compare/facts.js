/** Two runs side by side: what they are, how they ended, how long they took. */
import { toCommand, toRun } from "../base/router.js";
import { html } from "../base/ui.js";
import { elapsed, isActive, shortId } from "../model/run.js";
import { State } from "../parts/state.js";
import { Elapsed, Moment } from "../parts/time.js";
import { bytes, duration } from "../words/format.js";
import { outcome, reasonOf } from "../words/run.js";
import { t } from "../words/words.js";

/** @typedef {import("../model/types.js").Run} Run */

/** @type {[string, (run: Run, name: string|undefined) => unknown][]} what stands in a row, and its name */
const ROWS = [
  ["compare.run", namesOf],
  ["runs.column.state", (run) => html`<${State} run=${run} />${" "}<span class="muted">${outcome(run)}</span>`],
  ["runs.column.started", (run) => html`<${Moment} at=${run.start_time ?? run.created_at} />`],
  ["runs.column.duration", (run) => html`<${Elapsed} run=${run} />`],
  ["runs.column.reason", reasonOf],
  ["compare.output", sizeOf],
];

function namesOf({ id, command_id: command }, name) {
  return html`<a href=${"#" + toCommand(command)}><bdi>${name ?? "…"}</bdi></a>${" "}
    <a class="mono" href=${"#" + toRun(id)}>${shortId(id)}</a>`;
}

function sizeOf({ output_lines: count, output_bytes: size }) {
  return t("compare.size", { lines: t("n.lines", { count }), size: bytes(size) });
}

/** @param {{runs: [Run, Run], names: (string|undefined)[]}} props names: of their commands */
export function Facts({ runs, names }) {
  const rows = ROWS.map(([key, value]) => [key, runs.map((run, i) => value(run, names[i]))]);
  const shown = rows.filter(([, values]) => values.some((value) => value !== ""));
  return html`
    <div class="compare-facts">
      <table>
        <thead>
          <tr><td></td><th scope="col">${t("compare.first")}</th><th scope="col">${t("compare.second")}</th></tr>
        </thead>
        <tbody>
          ${shown.map(
            ([key, values]) => html`<tr key=${key}>
              <th scope="row">${t(key)}</th>
              ${values.map((value, i) => html`<td key=${i}>${value}</td>`)}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${!runs.some(isActive) && html`<p class="compare-told">${tookInWords(...runs)}</p>`}
  `;
}

/** @param {Run} one @param {Run} other both have ended @returns {string} */
function tookInWords(one, other) {
  const more = elapsed(other, 0) - elapsed(one, 0);
  if (Math.abs(more) < 1) return t("compare.as-long");
  return t(more > 0 ? "compare.longer" : "compare.shorter", { time: duration(Math.abs(more)) });
}
