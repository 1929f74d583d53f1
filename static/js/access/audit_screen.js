/** The audit: who did what, newest first. */
import { replacePath, toAudit } from "../base/router.js";
import { useStore } from "../base/store.js";
import { html, useState } from "../base/ui.js";
import { mayGovern } from "../model/access.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { More } from "../runs/run_list.js";
import { listAudit } from "../server/access_api.js";
import { loadPages, pollInterval, useLast, usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { t } from "../words/words.js";
import { AuditFilter, askedOf } from "./audit_filter.js";
import { AuditRow } from "./audit_row.js";
import { AdminsOnly } from "./not_permitted.js";
import { AccessTabs } from "./tabs.js";

/** @param {{query: URLSearchParams}} props */
export function AuditScreen({ query }) {
  const { who } = useStore(session);
  const filter = Object.fromEntries(query);
  return html`
    <${Heading} title=${t("audit.title")} />
    <${AccessTabs} current="audit" />
    ${mayGovern(who) ? html`<${Audit} filter=${filter} />` : html`<${AdminsOnly} what="audit" />`}
  `;
}

function Audit({ filter }) {
  const [pages, setPages] = useState(1);
  const asked = askedOf(filter);
  const load = (options) => loadPages((page) => listAudit({ ...asked, ...page }, options), pages);
  const { value, problem } = usePolling(load, [JSON.stringify(asked), pages], () => pollInterval(false));
  const shown = useLast(value);
  const onFilter = (chosen) => {
    setPages(1);
    replacePath(toAudit(chosen));
  };
  return html`
    <${AuditFilter} filter=${filter} onFilter=${onFilter} />
    ${problem?.final && html`<p class="form-error" role="alert">${problem.message}</p>`}
    ${!shown && !problem?.final && html`<${Waiting} problem=${problem} />`}
    ${shown?.items.length === 0 && html`<${Nothing} />`}
    ${shown?.items.length > 0 &&
    html`<ul class="rows audit">
      ${shown.items.map((entry) => html`<${AuditRow} key=${entry.id} entry=${entry} />`)}
    </ul>`}
    ${shown && html`<${More} next=${shown.next} onMore=${() => setPages(pages + 1)} />`}
  `;
}

const Nothing = () => html`<${Empty} title=${t("audit.none")}>
  <p>${t("audit.none.about")}</p>
  <${Button} label=${t("audit.show-all")} href=${"#" + toAudit()} />
<//>`;
