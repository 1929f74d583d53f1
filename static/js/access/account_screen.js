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
import { MyTokens } from "./my_tokens.js";
import { AccessTabs } from "./tabs.js";

export function AccountScreen() {
  const { who } = useStore(session);
  if (who === null) return html`<${Heading} title="Account" /><${Waiting} />`;
  return html`
    <${Heading} title="Account">${who.known_by === "session" && html`<${SignOut} />`}<//>
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
  return html`<${Button} label="Sign out" disabled=${leaving} onClick=${leave} />`;
}

/** @param {{who: import("../model/types.js").Who}} props */
function About({ who }) {
  const roles = givenRoles(who);
  return html`<dl class="about">
    <div><dt>Name</dt><dd><bdi>${who.principal}</bdi></dd></div>
    <div><dt>Known</dt><dd>${knownByText(who.known_by)}</dd></div>
    <div>
      <dt>May</dt>
      <dd>
        ${roles.length === 0 && html`<p>Nothing yet: an admin can give you a role.</p>`}
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
