/** The one calm line that tells when the server, or its database, is away. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { serverState, tryNow } from "../server/state.js";
import { Button } from "./button.js";

export function Banner() {
  const { kind, detail } = useStore(serverState);
  const words = kind === "lost" ? lost() : busy(detail);
  return html`<div role="status" aria-live="polite">${kind !== "well" && html`<${Bar} words=${words} />`}</div>`;
}

const Bar = ({ words }) => html`<div class="banner">
  <div class="banner__inner">
    <span class="banner__text">${words}</span>
    <${Button} small words="Try now" onClick=${tryNow} />
  </div>
</div>`;

const lost = () =>
  navigator.onLine
    ? html`<strong>The server does not answer.</strong> Runs continue without it. Trying again…`
    : html`<strong>This browser is offline.</strong> Runs continue without it. Trying again…`;
const busy = (detail) =>
  html`<strong>Some things are unavailable.</strong> ${detail} Runs continue. Trying again…`;
