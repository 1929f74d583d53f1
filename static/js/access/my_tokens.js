/** My tokens: made, shown once, revoked. */
import { copyText } from "../base/clipboard.js";
import { html, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { showNotice, showProblem } from "../parts/notice.js";
import { More } from "../runs/run_list.js";
import { listTokens } from "../server/access_api.js";
import { loadPages, pollInterval, usePolling } from "../server/polling.js";
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
  return html`<section class="section" aria-label="My tokens">
    <div class="section__head">
      <h2>My tokens</h2>
      ${!making && html`<${Button} icon="plus" label="New token" onClick=${() => setMaking(true)} />`}
    </div>
    ${made && html`<${Secret} token=${made} onClose=${() => setMade(null)} />`}
    ${making && html`<${TokenForm} who=${who} onMade=${onMade} onClose=${() => setMaking(false)} />`}
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && !making && html`<${NoTokens} />`}
    ${value?.items.length > 0 && html`<${TokenList} tokens=${value.items} reload=${reload} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  </section>`;
}

const NoTokens = () => html`<${Empty} title="No tokens yet">
  <p>A token lets a program act for you, such as a pipeline: with your role or a lower one, until it expires.</p>
<//>`;

/** A new token, which is stored nowhere: not in the page either. @param {{token: {token: string}}} props */
function Secret({ token, onClose }) {
  const place = useRef(null);
  useLayoutEffect(() => place.current.focus(), []);
  const copy = () => copyText(token.token).then(() => showNotice("Copied the token."), showProblem);
  return html`<div class="secret" role="group" aria-label="The new token" tabindex="-1" ref=${place}>
    <p><strong>Copy it now: it is not shown again.</strong></p>
    <code class="secret__value" tabindex="0">${token.token}</code>
    <div class="form__actions">
      <${Button} kind="main" icon="copy" label="Copy" onClick=${copy} />
      <${Button} label="Done" onClick=${onClose} />
    </div>
  </div>`;
}
