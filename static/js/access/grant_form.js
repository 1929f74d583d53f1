/** The form that gives somebody a role. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { ROLES } from "../model/access.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { showNotice } from "../parts/notice.js";
import { createGrant } from "../server/access_api.js";
import { GroupsField, RoleField } from "./choices.js";

const FIELDS = ["principal", "role", "group"];
const PRINCIPAL_HINT = "local:USER for a user of this machine, oidc:NAME for one who signs in with OpenID Connect.";

/** @param {{onMade: () => void, onClose: () => void}} props */
export function GrantForm({ onMade, onClose }) {
  const [problem, setProblem] = useState(null);
  const form = useRef(null);
  const [make, busy] = useAction(async () => {
    setProblem(null);
    try {
      const { principal, role, group } = form.current.elements;
      const fields = { principal: principal.value.trim(), role: role.value, group: group.value.trim() };
      await createGrant(fields);
      showNotice(html`Made <bdi>${fields.principal}</bdi> ${fields.role}.`);
      onMade();
    } catch (failure) {
      setProblem(failure);
    }
  });
  useLayoutEffect(() => form.current.elements.principal.focus(), []);
  useEffect(() => form.current?.querySelector("[aria-invalid]")?.focus(), [problem]);
  const onSubmit = (event) => {
    event.preventDefault();
    make();
  };
  const errors = problem?.errors ?? {};
  const principal = (attributes) => html`<input ...${attributes} type="text" required autocomplete="off"
    autocapitalize="off" spellcheck=${false} />`;
  return html`<form class="form form--inline" ref=${form} novalidate aria-label="New grant" onSubmit=${onSubmit}>
    <${Field} name="principal" label="Who" hint=${PRINCIPAL_HINT} errors=${errors.principal} control=${principal} />
    <${RoleField} roles=${ROLES} errors=${errors.role} />
    <${GroupsField} groups=${null} hint="A group of commands; * is every group." errors=${errors.group} />
    <${FormError} problem=${problem} fields=${FIELDS} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" label="Give the role" disabled=${busy} />
      <${Button} kind="quiet" label="Cancel" onClick=${onClose} />
    </div>
  </form>`;
}
