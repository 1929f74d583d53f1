/** The banner that says when the server or its database is unavailable. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { retryNow, serverState } from "../server/state.js";
import { Button } from "./button.js";

export function Banner() {
  const { kind, detail } = useStore(serverState);
  return html`<div role="status" aria-live="polite">
    ${kind !== "ok" && html`<div class="banner">
      <div class="banner__inner">
        <span class="banner__text">${kind === "unreachable" ? unreachable() : degraded(detail)} Trying again…</span>
        <${Button} small label="Try now" onClick=${retryNow} />
      </div>
    </div>`}
  </div>`;
}

const unreachable = () =>
  navigator.onLine
    ? html`<strong>The server does not answer.</strong> Runs continue without it.`
    : html`<strong>This browser is offline.</strong> Runs continue without it.`;

const degraded = (detail) => html`<strong>Some things are unavailable.</strong> ${detail} Runs continue.`;
