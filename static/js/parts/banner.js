/** The one calm line that tells when the server, or its database, is away. */
import { serverState, tryNow } from "../server_state.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";

export function Banner() {
  const { kind, detail } = useStore(serverState);
  return html`<div role="status" aria-live="polite">
    ${kind !== "well" &&
    html`<div class="banner">
      <div class="banner__inner">
        <span class="banner__text">${kind === "lost" ? LOST : busy(detail)}</span>
        <button type="button" class="button button--small" onClick=${tryNow}>Try now</button>
      </div>
    </div>`}
  </div>`;
}

const LOST = html`<strong>The server does not answer.</strong> Runs go on without it. Trying again…`;
const busy = (detail) => html`<strong>Not everything is available right now.</strong> ${detail} Runs go on. Trying again…`;
