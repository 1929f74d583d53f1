/** The screens of access, beside each other. */
import { toAccount, toAudit, toGrants, toTargets, toTokens } from "../base/router.js";
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { mayGovern } from "../model/access.js";
import { session } from "../server/session.js";
import { t } from "../words/words.js";

const TABS = [
  ["account", toAccount(), "account.title"],
  ["grants", toGrants(), "grants.title"],
  ["tokens", toTokens(), "tokens.title"],
  ["targets", toTargets(), "targets.tab"],
  ["audit", toAudit(), "audit.title"],
];

/** @param {{current: "account"|"grants"|"tokens"|"targets"|"audit"}} props */
export function AccessTabs({ current }) {
  const { who } = useStore(session);
  if (!mayGovern(who)) return null;
  return html`<nav class="tabs" aria-label=${t("access.tabs")}>
    ${TABS.map(
      ([screen, path, label]) => html`<a key=${screen} class="tabs__tab" href=${"#" + path}
        aria-current=${screen === current ? "page" : undefined}>${t(label)}</a>`,
    )}
  </nav>`;
}
