/** The form that gives somebody a role. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { ROLES } from "../model/access.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { showNotice } from "../parts/notice.js";
import { createGrant } from "../server/access_api.js";
import { roleName } from "../words/access.js";
import { phrase, t } from "../words/words.js";
import { GroupsField, RoleField } from "./choices.js";

const FIELDS = ["principal", "role", "group"];

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
      const name = html`<bdi>${fields.principal}</bdi>`;
      showNotice(phrase("grants.made", { name, role: roleName(fields.role) }));
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
  return html`<form class="form form--inline" ref=${form} novalidate aria-label=${t("grants.new")}
    onSubmit=${onSubmit}>
    <${Field} name="principal" label=${t("access.who")} hint=${t("grants.who.hint")} errors=${errors.principal}
      control=${principal} />
    <${RoleField} roles=${ROLES} errors=${errors.role} />
    <${GroupsField} groups=${null} hint=${t("access.group.hint")} errors=${errors.group} />
    <${FormError} problem=${problem} fields=${FIELDS} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" label=${t("grants.give")} disabled=${busy} />
      <${Button} kind="quiet" label=${t("action.cancel")} onClick=${onClose} />
    </div>
  </form>`;
}
