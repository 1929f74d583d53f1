/** The banner that says that nobody is signed in any more, or that nobody need be. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { session } from "../server/session.js";
import { phrase, t } from "../words/words.js";
import { OidcButton, SIGN_IN } from "./sign_in_screen.js";

export function SessionBanner() {
  const { kind, who } = useStore(session);
  return html`<div class=${kind === "ended" ? "banner-stays" : undefined} role="status" aria-live="polite">
    ${kind === "ended" && html`<${Ended} oidc=${who?.sign_in.oidc} />`}
    ${kind === "in" && who?.auth === "off" && html`<${Bar}>${t("session.open-to-all")}<//>`}
  </div>`;
}

const Bar = ({ children, after }) => html`<div class="banner">
  <div class="banner__inner"><span class="banner__text">${children}</span>${after}</div>
</div>`;

function Ended({ oidc }) {
  const how = oidc ? t("session.sign-in") : phrase("session.run", { command: html`<code>${SIGN_IN}</code>` });
  const after = oidc && html`<${OidcButton} small label=${t("session.sign-in.action")} target="_blank" />`;
  return html`<${Bar} after=${after}><strong>${t("session.ended")}</strong> ${how}<//>`;
}
