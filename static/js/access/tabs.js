/** The screens of access, beside each other. */
import { toAccount, toAudit, toGrants, toTokens } from "../base/router.js";
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { mayGovern } from "../model/access.js";
import { session } from "../server/session.js";

const FOR_ALL = [["account", "Account", toAccount()]];
const FOR_ADMINS = [
  ["grants", "Grants", toGrants()],
  ["tokens", "Tokens", toTokens()],
  ["audit", "Audit", toAudit()],
];

/** @param {{current: "account"|"grants"|"tokens"|"audit"}} props */
export function AccessTabs({ current }) {
  const { who } = useStore(session);
  if (!mayGovern(who)) return null;
  return html`<nav class="tabs" aria-label="Access">
    ${[...FOR_ALL, ...FOR_ADMINS].map(
      ([screen, label, path]) => html`<a key=${screen} class="tabs__tab" href=${"#" + path}
        aria-current=${screen === current ? "page" : undefined}>${label}</a>`,
    )}
  </nav>`;
}
