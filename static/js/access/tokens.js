/** Tokens as rows, with what ends them. */
import { html, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { showNotice } from "../parts/notice.js";
import { Ago, Ahead } from "../parts/time.js";
import { revokeToken } from "../server/access_api.js";
import { serverNow } from "../server/clock.js";
import { inGroup, roleName, tokenState } from "../words/access.js";
import { phrase, t } from "../words/words.js";

/** @typedef {import("../model/types.js").Token} Token */

/**
 * @param {object} props
 * @param {Token[]} props.tokens
 * @param {boolean} [props.owned] whether each is shown with its owner
 * @param {() => void} props.reload
 */
export function TokenList({ tokens, owned = false, reload }) {
  const [asked, ask] = useState(null);
  return html`
    <ul class="rows">
      ${tokens.map((token) => html`<${TokenRow} key=${token.id} token=${token} owned=${owned} onRevoke=${ask} />`)}
    </ul>
    ${asked && html`<${RevokeDialog} token=${asked} reload=${reload} onClose=${() => ask(null)} />`}
  `;
}

function TokenRow({ token, owned, onRevoke }) {
  const valid = tokenState(token, serverNow()) === "valid";
  return html`<li class="row access-row">
    <div class="access-row__what">
      <p class="access-row__name"><bdi>${token.name}</bdi></p>
      <p class="muted">
        ${owned && html`<bdi>${token.owner}</bdi>, `}${roleName(token.role)}
        <bdi> ${inGroup(token.group)}</bdi>
      </p>
    </div>
    <p class="access-row__when"><span><${End} token=${token} /></span>${" "}<span><${Use} token=${token} /></span></p>
    ${valid
      ? html`<${Button} small kind="danger-quiet" label=${t("tokens.revoke")}
        aria-label=${t("tokens.revoke-one", token)} onClick=${() => onRevoke(token)} />`
      : html`<span></span>`}
  </li>`;
}

function End({ token }) {
  const state = tokenState(token, serverNow());
  if (state === "revoked") return html`<strong>${t("tokens.revoked")}</strong> <${Ago} at=${token.revoked_at} />`;
  if (state === "expired") return html`<strong>${t("tokens.expired")}</strong> <${Ago} at=${token.expires_at} />`;
  return phrase("tokens.expires", { ahead: html`<${Ahead} at=${token.expires_at} />` });
}

const Use = ({ token }) =>
  token.last_used_at ? phrase("tokens.used", { ago: html`<${Ago} at=${token.last_used_at} />` }) : t("tokens.unused");

function RevokeDialog({ token, reload, onClose }) {
  const [error, setError] = useState("");
  const name = html`<bdi>${token.name}</bdi>`;
  const [revoke, revoking] = useAction(async () => {
    try {
      await revokeToken(token.id);
      showNotice(phrase("tokens.is-revoked", { name }));
      onClose();
      reload();
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title=${phrase("tokens.ask-revoke", { name })} action=${t("tokens.revoke")} busy=${revoking}
    error=${error} onConfirm=${revoke} onClose=${onClose}>
    <p>${t("tokens.revoke.about")}</p>
  <//>`;
}
