/** The fields of a command, as a person fills them in. */
import { html } from "../base/ui.js";
import { sameEnds } from "../model/ends.js";
import { EndsFields, isOfEnds, readEnds } from "../notifications/ends_fields.js";
import { saysTheSame } from "../parameters/definition.js";
import { DefinitionFields, isOfDefinition, readDefinition } from "../parameters/definition_fields.js";
import { Field } from "../parts/field.js";
import { t } from "../words/words.js";
import { GroupField } from "./group.js";
import { ScriptField } from "./script_field.js";

/** @typedef {{name: string, description: string|null, script: string, group?: string}} CommandFields */

/** @type {CommandFields} */
export const BLANK = { name: "", description: "", script: "" };
const FIELDS = [...Object.keys(BLANK), "group"];
const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };

/**
 * @param {object} props
 * @param {CommandFields} props.fields what they hold at first
 * @param {string[]|null|undefined} props.groups to choose from; null: any; undefined: there is no choice
 * @param {Record<string, string[]>} props.errors
 */
export function CommandFields({ fields, groups, errors }) {
  const name = (attributes) =>
    html`<input ...${attributes} type="text" required defaultValue=${fields.name} ...${UNAIDED} />`;
  const description = (attributes) =>
    html`<input ...${attributes} type="text" autocomplete="off" defaultValue=${fields.description ?? ""} />`;
  const script = (attributes) => html`<${ScriptField} attributes=${attributes} script=${fields.script} />`;
  return html`
    <${Field} name="name" label=${t("field.name")} errors=${errors.name} control=${name} />
    <${Field} name="description" label=${t("field.description.optional")} errors=${errors.description}
      control=${description} />
    <${Field} name="script" label=${t("field.script")} errors=${errors.script} control=${script}
      hint=${t("field.script.hint") + " " + t("editor.tab")} />
    <${DefinitionFields} fields=${fields} errors=${errors} />
    <${EndsFields} fields=${fields} errors=${errors} />
    ${groups !== undefined && html`<${GroupField} groups=${groups} group=${fields.group} errors=${errors.group} />`}
  `;
}

/** Those of a problem that the form shows. @param {import("../server/answers.js").Problem|null} problem */
export const shownFields = (problem) => [
  ...FIELDS,
  ...Object.keys(problem?.errors ?? {}).filter((field) => isOfDefinition(field) || isOfEnds(field)),
];

/** @param {HTMLFormElement} form @returns {CommandFields} */
export function readFields(form) {
  const { name, description, script, group } = form.elements;
  const texts = { name: name.value.trim(), description: description.value.trim() || null, script: script.value };
  const fields = { ...texts, ...readDefinition(form), ...readEnds(form) };
  return group ? { ...fields, group: group.value.trim() } : fields;
}

/** @param {CommandFields} one @param {CommandFields} other @returns {boolean} a group that one leaves out is the same */
export const sameFields = (one, other) =>
  Object.keys(BLANK).every((field) => (one[field] ?? "") === (other[field] ?? "")) &&
  (one.group ?? other.group) === (other.group ?? one.group) &&
  saysTheSame(one, other) &&
  sameEnds(one, other);
