/** The fields of a command, as a person fills them in. */
import { html } from "../base/ui.js";
import { Field } from "../parts/field.js";

/** @typedef {{name: string, description: string|null, script: string}} CommandFields */

/** @type {CommandFields} */
export const BLANK = { name: "", description: "", script: "" };
const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };
const SCRIPT_HINT =
  "A bash script (sh where there is no bash), or one in any language whose first line names its interpreter, " +
  "such as #!/usr/bin/env python3.";
const EXAMPLE = 'for i in 1 2 3; do\n  echo "line $i"\n  sleep 1\ndone';

/** @param {{fields: CommandFields, errors: Record<string, string[]>}} props fields: what they hold at first */
export function CommandFields({ fields, errors }) {
  const name = (attributes) =>
    html`<input ...${attributes} type="text" required defaultValue=${fields.name} ...${UNAIDED} />`;
  const description = (attributes) =>
    html`<input ...${attributes} type="text" autocomplete="off" defaultValue=${fields.description ?? ""} />`;
  const script = (attributes) => html`<textarea ...${attributes} class="mono" required rows="12"
    placeholder=${EXAMPLE} defaultValue=${fields.script} ...${UNAIDED}></textarea>`;
  return html`
    <${Field} name="name" label="Name" errors=${errors.name} control=${name} />
    <${Field} name="description" label="Description (optional)" errors=${errors.description} control=${description} />
    <${Field} name="script" label="Script" errors=${errors.script} control=${script} hint=${SCRIPT_HINT} />
  `;
}

/** @param {HTMLFormElement} form @returns {CommandFields} */
export function readFields(form) {
  const { name, description, script } = form.elements;
  return { name: name.value.trim(), description: description.value.trim() || null, script: script.value };
}

/** @param {CommandFields} one @param {CommandFields} other @returns {boolean} */
export const sameFields = (one, other) =>
  Object.keys(BLANK).every((field) => (one[field] ?? "") === (other[field] ?? ""));

/**
 * What is wrong with the form as a whole, or with a field that it does not show.
 * @param {{problem: import("../server/answers.js").Problem|null}} props
 */
export function FormError({ problem }) {
  if (!problem) return null;
  const others = Object.entries(problem.errors).filter(([field]) => !(field in BLANK));
  if (others.length === 0 && Object.keys(problem.errors).length > 0) return null;
  const texts = others.length
    ? others.map(([field, messages]) => `${field}: ${messages.join(" ")}`)
    : [problem.message];
  return html`<p class="form-error" role="alert">${texts.join(" ")}</p>`;
}
