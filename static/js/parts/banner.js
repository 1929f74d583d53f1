/** The banners that say when the server or its database is unavailable, or a part of the page is missing. */
import { isIncomplete } from "../base/loading.js";
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { retryNow, serverState } from "../server/state.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";

export function Banner() {
  const { kind, detail } = useStore(serverState);
  return html`<div role="status" aria-live="polite">
    ${kind !== "ok" &&
    html`<div class="banner">
      <div class="banner__inner">
        <span class="banner__text">${kind === "unreachable" ? unreachable() : degraded(detail)} ${t("server.again")}</span>
        <${Button} small label=${t("server.try-now")} onClick=${retryNow} />
      </div>
    </div>`}
  </div>`;
}

export const IncompleteBanner = () => html`<div role="status" aria-live="polite">
  ${
    useStore(isIncomplete) &&
    html`<div class="banner">
      <div class="banner__inner">
        <span class="banner__text"><strong>${t("page.incomplete")}</strong> ${t("page.incomplete.why")}</span>
        <${Button} small label=${t("page.reload")} onClick=${() => location.reload()} />
      </div>
    </div>`
  }
</div>`;

const unreachable = () =>
  html`<strong>${t(navigator.onLine ? "server.silent" : "server.offline")}</strong> ${t("server.runs-without")}`;

const degraded = (detail) => html`<strong>${t("server.degraded")}</strong> ${detail} ${t("server.runs")}`;
