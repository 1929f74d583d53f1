/** The values that a schedule gives to a command's parameters. */
import { html } from "../base/ui.js";
import { Field } from "../parts/field.js";
import { t } from "../words/words.js";

const NUMERIC = ["integer", "number"];
const TYPES = { integer: "number", number: "number", date: "date", secret: "password" };
const fieldName = (name) => `parameters.${name}`;

/**
 * @param {HTMLFormControlsCollection} elements
 * @param {object[]} parameters
 * @returns {Record<string, unknown>} what was given; what is empty is not
 */
export function valuesIn(elements, parameters) {
  const values = {};
  for (const { name, type } of parameters) {
    const { value } = elements[fieldName(name)];
    if (value === "") continue;
    if (type === "boolean") values[name] = value === "true";
    else values[name] = NUMERIC.includes(type) ? Number(value) : value;
  }
  return values;
}

/**
 * @param {object} props
 * @param {object[]} props.parameters of the command
 * @param {Record<string, unknown>|null} [props.values] that the schedule has
 * @param {Record<string, string[]>} props.errors by field
 * @param {boolean} props.isKept a secret that is left empty stays as it is
 */
export function ParameterFields({ parameters, values, errors, isKept }) {
  return parameters.map((one) => {
    const name = fieldName(one.name);
    const hint = one.type === "secret" && isKept ? t("schedule.secret.kept") : one.description;
    return html`<${Field} key=${name} name=${name} label=${one.label || one.name} hint=${hint} errors=${errors[name]}
      control=${(attributes) => control(one, values?.[one.name], attributes)} />`;
  });
}

function control(parameter, value, attributes) {
  const { type, placeholder, default: usual } = parameter;
  const choices = type === "boolean" ? ["true", "false"] : parameter.choices;
  if (type === "boolean" || type === "choice") {
    return html`<select ...${attributes}>
      <option value="">${usual === null || usual === undefined ? t("schedule.not-given") : String(usual)}</option>
      ${choices.map(
        (each) => html`<option key=${each} value=${each} selected=${each === String(value)}>${each}</option>`,
      )}
    </select>`;
  }
  const shown = placeholder ?? (usual === null || usual === undefined ? "" : String(usual));
  const same = { ...attributes, placeholder: shown, defaultValue: value === undefined ? "" : String(value) };
  if (type === "text") return html`<textarea ...${same} rows="3"></textarea>`;
  const step = type === "number" ? "any" : undefined;
  return html`<input ...${same} type=${TYPES[type] ?? "text"} step=${step} autocomplete="off" spellcheck=${false} />`;
}
