/** How to sign in, for whoever has not. */
import { rememberPlace } from "../base/place.js";
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { copyAndTell } from "../parts/copying.js";
import { Heading } from "../parts/heading.js";
import { OIDC_URL } from "../server/access_api.js";
import { session } from "../server/session.js";
import { phrase, t } from "../words/words.js";
import { signInProblem } from "./arriving.js";

export const SIGN_IN = "tailrun sign-in";

export function SignInScreen() {
  const { who } = useStore(session);
  const problem = useStore(signInProblem);
  return html`<div class="sign-in">
    <${Heading} title=${t("sign-in.title")} />
    ${problem && html`<p class="form-error" role="alert">${problem}</p>`}
    ${who.sign_in.oidc && html`<${ByOidc} />`}
    <${ByLink} also=${who.sign_in.oidc} />
  </div>`;
}

const ByOidc = () => html`<p>
  <${OidcButton} kind="main" label=${t("sign-in.oidc")} onClick=${rememberPlace} />
</p>`;

function ByLink({ also }) {
  const command = html`<code>docker compose exec tailrun ${SIGN_IN}</code>`;
  const copy = () => copyAndTell(SIGN_IN, t("sign-in.copied"));
  return html`
    <p>${t(also ? "sign-in.or-run" : "sign-in.run")}</p>
    <div class="script sign-in__command">
      <pre tabindex="0"><code>${SIGN_IN}</code></pre>
      <${Button} small compact icon="copy" label=${t("action.copy")} className="script__copy" onClick=${copy} />
    </div>
    <p class="muted">
      ${t("sign-in.once")} ${phrase("sign-in.container", { command })} ${t("sign-in.ask")}
    </p>
  `;
}

/** @param {object} props as of a Button */
export const OidcButton = (props) => html`<${Button} href=${OIDC_URL} ...${props} />`;
