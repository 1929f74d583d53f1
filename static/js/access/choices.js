/** Choices of a role and of a group, as fields of a form. */
import { html, useState } from "../base/ui.js";
import { DEFAULT_GROUP } from "../model/access.js";
import { Field } from "../parts/field.js";
import { capitalised, roleLabel, roleMeaning } from "../words/access.js";
import { t } from "../words/words.js";

/** @param {{roles: import("../model/types.js").Role[], errors?: string[]}} props */
export function RoleField({ roles, errors }) {
  const [chosen, choose] = useState(roles[0]);
  const role = roles.includes(chosen) ? chosen : roles[0];
  const control = (attributes) => html`<select ...${attributes} onChange=${(event) => choose(event.target.value)}>
    ${roles.map((each) => html`<option key=${each} value=${each} selected=${each === role}>${roleLabel(each)}</option>`)}
  </select>`;
  const hint = `${capitalised(roleMeaning(role))}.`;
  return html`<${Field} name="role" label=${t("access.role")} hint=${hint} errors=${errors} control=${control} />`;
}

/**
 * @param {object} props
 * @param {string[]|null} props.groups to choose from; null: any, which is typed
 * @param {string} props.hint
 * @param {string[]} [props.errors]
 * @param {(group: string) => void} [props.onChange]
 */
export function GroupsField({ groups, hint, errors, onChange }) {
  const changed = onChange && ((event) => onChange(event.target.value));
  const any = (attributes) =>
    html`<input ...${attributes} type="text" required defaultValue=${DEFAULT_GROUP} autocomplete="off"
      autocapitalize="off" spellcheck=${false} onChange=${changed} />`;
  const some = (attributes) => html`<select ...${attributes} onChange=${changed}>
    ${groups.map((group) => html`<option key=${group} value=${group}>${group}</option>`)}
  </select>`;
  return html`<${Field} name="group" label=${t("access.group")} hint=${hint} errors=${errors}
    control=${groups ? some : any} />`;
}
