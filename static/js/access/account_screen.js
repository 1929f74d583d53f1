/** Who I am here, what I may, and my tokens. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { discardDrafts } from "../commands/draft.js";
import { givenRoles } from "../model/access.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { session } from "../server/session.js";
import { signOut } from "../server/signing.js";
import { inGroup, knownByText, roleLabel, roleMeaning } from "../words/access.js";
import { t } from "../words/words.js";
import { MyTokens } from "./my_tokens.js";
import { AccessTabs } from "./tabs.js";

export function AccountScreen() {
  const { who } = useStore(session);
  if (who === null) return html`<${Heading} title=${t("account.title")} /><${Waiting} />`;
  return html`
    <${Heading} title=${t("account.title")}>${who.known_by === "session" && html`<${SignOut} />`}<//>
    <${AccessTabs} current="account" />
    <${About} who=${who} />
    ${who.known_by !== "everybody" && html`<${MyTokens} who=${who} />`}
  `;
}

function SignOut() {
  const [leave, leaving] = useAction(async () => {
    discardDrafts();
    await signOut();
  });
  return html`<${Button} label=${t("account.sign-out")} disabled=${leaving} onClick=${leave} />`;
}

/** @param {{who: import("../model/types.js").Who}} props */
function About({ who }) {
  const roles = givenRoles(who);
  return html`<dl class="about">
    <div><dt>${t("account.name")}</dt><dd><bdi>${who.principal}</bdi></dd></div>
    <div><dt>${t("account.known")}</dt><dd>${knownByText(who.known_by)}</dd></div>
    <div>
      <dt>${t("account.may")}</dt>
      <dd>
        ${roles.length === 0 && html`<p>${t("account.no-role")}</p>`}
        ${roles.map(
          ([group, role]) => html`<p key=${group}>
            <strong>${roleLabel(role)}</strong> <bdi>${inGroup(group)}</bdi>
            <span class="muted"> (${roleMeaning(role)})</span>
          </p>`,
        )}
      </dd>
    </div>
  </dl>`;
}
