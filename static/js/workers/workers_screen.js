/** The workers: which pools there are and what waits in them, who serves them, and which runs each has. */
import { useStore } from "../base/store.js";
import { html, useState } from "../base/ui.js";
import { mayGovern, maySeeWorkers } from "../model/access.js";
import { changedFleet, present } from "../model/workers.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { NotRead } from "../parts/not_read.js";
import { pollInterval, usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { listWorkers } from "../server/workers_api.js";
import { t } from "../words/words.js";
import { Enrolment } from "./enrolment.js";
import { Pools } from "./pools.js";
import { Workers } from "./workers.js";

export function WorkersScreen() {
  const { who } = useStore(session);
  const [adding, setAdding] = useState(false);
  const isMet = who?.workers === true;
  const mayManage = isMet && mayGovern(who);
  return html`
    <${Heading} title=${t("workers.title")}>
      ${mayManage &&
      !adding &&
      html`<${Button} kind="main" icon="plus" label=${t("workers.add")} onClick=${() => setAdding(true)} />`}
    <//>
    ${adding && html`<${Enrolment} onClose=${() => setAdding(false)} />`}
    ${maySeeWorkers(who)
      ? html`<${Fleet} mayManage=${mayManage} isAdding=${adding} />`
      : html`<${NotShown} isMet=${isMet} />`}
  `;
}

/** @param {{isMet: boolean}} props whether there may be workers at all */
const NotShown = ({ isMet }) => html`<${Empty} title=${t(isMet ? "not-permitted" : "workers.none-met")}>
  <p>${t(isMet ? "workers.editors-only" : "workers.none-met.about")}</p>
<//>`;

function Fleet({ mayManage, isAdding }) {
  const { value, problem, reload } = usePolling(listWorkers, [], () => pollInterval(false), changedFleet);
  if (!value) return html`<${Waiting} problem=${problem} />`;
  const workers = present(value.items);
  const isEmpty = !workers.some(({ role }) => role === "worker"); // servers are told, too
  return html`
    ${problem?.final && html`<${NotRead} problem=${problem} />`}
    ${value.is_met === false && html`<p class="form-error" role="alert">${t("workers.not-met")}</p>`}
    ${isEmpty && !isAdding && html`<${NoWorkers} mayManage=${mayManage} />`}
    ${value.pools.length > 0 && html`<${Pools} pools=${value.pools} workers=${workers} />`}
    ${workers.length > 0 && html`<${Workers} workers=${workers} mayManage=${mayManage} reload=${reload} />`}
  `;
}

const NoWorkers = ({ mayManage }) => html`<${Empty} title=${t("workers.none")}>
  <p>${t("workers.none.about")} ${t(mayManage ? "workers.none.add" : "workers.none.ask")}</p>
<//>`;
