/** The workers, one a row, with the runs that each has. */
import { html, useState } from "../base/ui.js";
import { changedRuns, RELOAD } from "../model/changes.js";
import { isActive } from "../model/run.js";
import { byHost } from "../model/workers.js";
import { pollInterval, usePolling } from "../server/polling.js";
import { listRunsOfWorkers } from "../server/workers_api.js";
import { t } from "../words/words.js";
import { RemoveDialog } from "./remove_dialog.js";
import { WorkerRow } from "./worker_row.js";

/** @typedef {import("../model/types.js").Worker} Worker */

const NONE = [];

/** @param {{workers: Worker[], mayManage: boolean, reload: () => void}} props */
export function Workers({ workers, mayManage, reload }) {
  const [asked, ask] = useState(null);
  const { value } = usePolling(listRunsOfWorkers, [], () => pollInterval(true), runsNow);
  const runs = byHost(value?.items ?? NONE);
  return html`<section class="section workers-part" aria-labelledby="workers">
    <h2 id="workers">${t("workers.hosts")}</h2>
    <ul class="rows">
      ${workers.map(
        (worker) => html`<${WorkerRow} key=${worker.id} worker=${worker} runs=${runs.get(worker.id) ?? NONE}
          mayManage=${mayManage} reload=${reload} onRemove=${ask} />`,
      )}
    </ul>
    ${asked && html`<${RemoveDialog} worker=${asked} reload=${reload} onClose=${() => ask(null)} />`}
  </section>`;
}

/** Other hosts' runs are told of by what runs, and not each by itself. */
const runsNow = (list, change) => (change.type === "pools" ? RELOAD : changedRuns(list, change, isActive));
