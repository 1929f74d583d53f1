/** All tokens, whosever they are. */
import { useStore } from "../base/store.js";
import { html, useState } from "../base/ui.js";
import { mayGovern } from "../model/access.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { More } from "../runs/run_list.js";
import { listTokens } from "../server/access_api.js";
import { loadPages, pollInterval, usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { t } from "../words/words.js";
import { AdminsOnly } from "./not_permitted.js";
import { AccessTabs } from "./tabs.js";
import { TokenList } from "./tokens.js";

export function TokensScreen() {
  const { who } = useStore(session);
  return html`
    <${Heading} title=${t("tokens.title")} />
    <${AccessTabs} current="tokens" />
    ${mayGovern(who) ? html`<${AllTokens} />` : html`<${AdminsOnly} what="tokens" />`}
  `;
}

function AllTokens() {
  const [pages, setPages] = useState(1);
  const load = (options) => loadPages((page) => listTokens(page, options), pages);
  const { value, problem, reload } = usePolling(load, [pages], () => pollInterval(false));
  if (!value) return html`<${Waiting} problem=${problem} />`;
  if (value.items.length === 0) {
    return html`<${Empty} title=${t("tokens.none")}><p>${t("tokens.none.all")}</p><//>`;
  }
  return html`
    <${TokenList} tokens=${value.items} owned reload=${reload} />
    <${More} next=${value.next} onMore=${() => setPages(pages + 1)} />
  `;
}
