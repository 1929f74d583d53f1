/** How to sign in, for whoever has not. */
import { copyText } from "../base/clipboard.js";
import { rememberPlace } from "../base/place.js";
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Heading } from "../parts/heading.js";
import { showNotice, showProblem } from "../parts/notice.js";
import { OIDC_URL } from "../server/access_api.js";
import { session } from "../server/session.js";
import { signInProblem } from "./arriving.js";

export const SIGN_IN = "tailrun sign-in";

export function SignInScreen() {
  const { who } = useStore(session);
  const problem = useStore(signInProblem);
  return html`<div class="sign-in">
    <${Heading} title="Sign in" />
    ${problem && html`<p class="form-error" role="alert">${problem}</p>`}
    ${who.sign_in.oidc && html`<${ByOidc} />`}
    <${ByLink} also=${who.sign_in.oidc} />
  </div>`;
}

const ByOidc = () => html`<p>
  <${OidcButton} kind="main" label="Sign in with OpenID Connect" onClick=${rememberPlace} />
</p>`;

function ByLink({ also }) {
  const copy = () => copyText(SIGN_IN).then(() => showNotice("Copied the command."), showProblem);
  return html`
    <p>${also ? "Or run this" : "Run this"} where Tailrun runs, as the user it belongs to, and open the link that it prints:</p>
    <div class="script sign-in__command">
      <pre tabindex="0"><code>${SIGN_IN}</code></pre>
      <${Button} small compact icon="copy" label="Copy" className="script__copy" onClick=${copy} />
    </div>
    <p class="muted">
      The link is good once, within a minute. In a container: <code>docker compose exec tailrun ${SIGN_IN}</code>.
      If you cannot run it, ask whoever looks after this Tailrun for a link.
    </p>
  `;
}

/** @param {object} props as of a Button */
export const OidcButton = (props) => html`<${Button} href=${OIDC_URL} ...${props} />`;
