/** The form that makes a token. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { DEFAULT_GROUP, groupsWith, roleIn, rolesUpTo } from "../model/access.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { createToken } from "../server/access_api.js";
import { serverNow } from "../server/clock.js";
import { t } from "../words/words.js";
import { GroupsField, RoleField } from "./choices.js";

const DAY_MS = 86_400_000;
/** Days a token may last. */
const LIVES = [1, 7, 30, 90, 365];
const YEAR_DAYS = 365;
const USUAL_DAYS = 90;
const FIELDS = ["name", "role", "group", "expires_at"];

/**
 * @param {object} props
 * @param {import("../model/types.js").Who} props.who
 * @param {(token: object) => void} props.onMade
 * @param {() => void} props.onClose
 */
export function TokenForm({ who, onMade, onClose }) {
  const groups = groupsWith(who, "viewer");
  const [group, setGroup] = useState(groups ? groups[0] : DEFAULT_GROUP);
  const [problem, setProblem] = useState(null);
  const form = useRef(null);
  const [make, busy] = useAction(async () => {
    setProblem(null);
    try {
      onMade(await createToken(readForm(form.current)));
    } catch (failure) {
      setProblem(failure);
    }
  });
  useLayoutEffect(() => form.current.elements.name.focus(), []);
  useEffect(() => form.current?.querySelector("[aria-invalid]")?.focus(), [problem]);
  const onSubmit = (event) => {
    event.preventDefault();
    make();
  };
  const errors = problem?.errors ?? {};
  const everywhere = t("access.group.hint");
  return html`<form class="form form--inline" ref=${form} novalidate aria-label=${t("tokens.new")}
    onSubmit=${onSubmit}>
    <${NameField} errors=${errors.name} />
    <${GroupsField} groups=${groups} hint=${groups ? "" : everywhere} errors=${errors.group} onChange=${setGroup} />
    <${RoleField} roles=${rolesUpTo(roleIn(who, group) ?? "viewer")} errors=${errors.role} />
    <${LifeField} errors=${errors.expires_at} />
    <${FormError} problem=${problem} fields=${FIELDS} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" label=${t("tokens.create")} disabled=${busy} />
      <${Button} kind="quiet" label=${t("action.cancel")} onClick=${onClose} />
    </div>
  </form>`;
}

function NameField({ errors }) {
  const control = (attributes) => html`<input ...${attributes} type="text" required autocomplete="off" />`;
  const hint = t("tokens.name.hint");
  return html`<${Field} name="name" label=${t("field.name")} hint=${hint} errors=${errors} control=${control} />`;
}

function LifeField({ errors }) {
  const control = (attributes) => html`<select ...${attributes}>
    ${LIVES.map(
      (days) => html`<option key=${days} value=${days} selected=${days === USUAL_DAYS}>${lifeOf(days)}</option>`,
    )}
  </select>`;
  return html`<${Field} name="expires_at" label=${t("tokens.life")} errors=${errors} control=${control} />`;
}

const lifeOf = (days) =>
  days % YEAR_DAYS === 0 ? t("tokens.life.years", { count: days / YEAR_DAYS }) : t("tokens.life.days", { count: days });

/** @param {HTMLFormElement} form */
function readForm(form) {
  const { name, role, group, expires_at: life } = form.elements;
  const expires = new Date(serverNow() + Number(life.value) * DAY_MS);
  return { name: name.value.trim(), role: role.value, group: group.value.trim(), expires_at: expires.toISOString() };
}
