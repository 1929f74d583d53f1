/** My tokens: made, shown once, revoked. */
import { html, useState } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { MadeOnce } from "../parts/made_once.js";
import { More } from "../runs/run_list.js";
import { listTokens } from "../server/access_api.js";
import { loadPages, pollInterval, usePolling } from "../server/polling.js";
import { t } from "../words/words.js";
import { TokenForm } from "./token_form.js";
import { TokenList } from "./tokens.js";

/** @param {{who: import("../model/types.js").Who}} props */
export function MyTokens({ who }) {
  const [pages, setPages] = useState(1);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState(null);
  const load = (options) => loadPages((page) => listTokens({ owner: who.principal, ...page }, options), pages);
  const { value, problem, reload } = usePolling(load, [who.principal, pages], () => pollInterval(false));
  const onMade = (token) => {
    setMaking(false);
    setMade(token);
    reload();
  };
  return html`<section class="section" aria-label=${t("tokens.mine")}>
    <div class="section__head">
      <h2>${t("tokens.mine")}</h2>
      ${!making && html`<${Button} icon="plus" label=${t("tokens.new")} onClick=${() => setMaking(true)} />`}
    </div>
    ${made &&
    html`<${MadeOnce} label=${t("tokens.made")} secret=${made.token} copied=${t("tokens.copied")}
      onClose=${() => setMade(null)} />`}
    ${making && html`<${TokenForm} who=${who} onMade=${onMade} onClose=${() => setMaking(false)} />`}
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && !making && html`<${NoTokens} />`}
    ${value?.items.length > 0 && html`<${TokenList} tokens=${value.items} reload=${reload} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  </section>`;
}

const NoTokens = () => html`<${Empty} title=${t("tokens.none")}>
  <p>${t("tokens.none.about")}</p>
<//>`;
