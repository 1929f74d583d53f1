/** A worker as a row: how it stands, what it is, which runs it has; and, for admins, what is done with it. */
import { toRun, toRuns } from "../base/router.js";
import { html } from "../base/ui.js";
import { MOST_NAMED } from "../model/workers.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { showNotice } from "../parts/notice.js";
import { Ago } from "../parts/time.js";
import { nameOf } from "../runs/runs_table.js";
import { changeWorker } from "../server/workers_api.js";
import { phrase, t } from "../words/words.js";
import { standing } from "../words/workers.js";

/**
 * @typedef {import("../model/types.js").Worker} Worker
 * @typedef {import("../model/types.js").Run} Run
 */

/**
 * @param {object} props
 * @param {Worker} props.worker
 * @param {Run[]} props.runs that it has, as far as they may be seen
 * @param {boolean} props.mayManage
 * @param {() => void} props.reload
 * @param {(worker: Worker) => void} props.onRemove
 */
export const WorkerRow = ({ worker, runs, mayManage, reload, onRemove }) => html`<li class="row worker-row">
  <div class="worker-row__what">
    <p class="worker-row__head">
      <bdi class="worker-row__name" title=${worker.id}>${worker.name}</bdi>
      <${State} state=${worker.state} />
      ${worker.state === "unreachable" &&
      html`<span class="worker-row__away">${phrase("workers.away", { ago: html`<${Ago} at=${worker.seen_at} />` })}</span>`}
      ${worker.draining && worker.state !== "draining" && html`<${State} state="draining" />`}
    </p>
    <p class="worker-row__facts">
      ${worker.role === "server" && html`<span class="tag">${t("workers.is-server")}</span>`}
      ${worker.pools.map((pool) => html`<bdi class="tag mono" key=${pool}>${pool}</bdi>`)}
      ${worker.labels.map((label) => html`<bdi class="tag tag--label mono" key=${label}>${label}</bdi>`)}
      <span>${places(worker)}</span>
      <span>${t("workers.version", worker)}</span>
    </p>
    ${worker.running > 0 && html`<${Runs} worker=${worker} runs=${runs} />`}
  </div>
  ${mayManage && html`<${Acts} worker=${worker} reload=${reload} onRemove=${onRemove} />`}
</li>`;

const State = ({ state }) =>
  html`<span class=${`state worker-state--${state}`}><span class="state__dot"></span>${standing(state)}</span>`;

const places = ({ places: all, running }) => t("workers.places", { count: all, free: Math.max(0, all - running) });

function Runs({ worker, runs }) {
  const named = runs.slice(0, MOST_NAMED);
  const all = "#" + toRuns({ state: "queued,running", host: worker.id });
  return html`<ul class="worker-row__runs" aria-label=${t("workers.runs-of", worker)}>
    ${named.map((run) => html`<li key=${run.id}><a href=${"#" + toRun(run.id)}><bdi>${nameOf(run)}</bdi></a></li>`)}
    ${worker.running > named.length &&
    html`<li><a href=${all}>${t("workers.all-runs", { count: worker.running })}</a></li>`}
  </ul>`;
}

function Acts({ worker, reload, onRemove }) {
  const drains = worker.draining;
  const [turn, turning] = useAction(async () => {
    await changeWorker(worker.id, { state: drains ? "active" : "draining" });
    showNotice(phrase(drains ? "workers.resumed" : "workers.drains", { name: html`<bdi>${worker.name}</bdi>` }));
    reload();
  });
  return html`<div class="worker-row__acts">
    <${Button} small label=${t(drains ? "workers.resume" : "workers.drain")} disabled=${turning}
      aria-label=${t(drains ? "workers.resume-one" : "workers.drain-one", worker)}
      title=${t(drains ? "workers.resume.about" : "workers.drain.about")} onClick=${turn} />
    ${(worker.role === "worker" || worker.state === "unreachable") &&
    html`<${Button} small kind="danger-quiet" label=${t("workers.remove")}
      aria-label=${t("workers.remove-one", worker)} onClick=${() => onRemove(worker)} />`}
  </div>`;
}
