/** The field of one value: an input that fits its type. */
import { html } from "../base/ui.js";
import { Field } from "../parts/field.js";
import { t } from "../words/words.js";

/** @typedef {import("../model/types.js").Parameter} Parameter */

const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };

/**
 * @param {object} props
 * @param {Parameter} props.parameter
 * @param {string} props.text what it holds at first
 * @param {string[]} [props.errors]
 */
export function ValueField({ parameter, text, errors }) {
  const { name, label, required, type } = parameter;
  const shown = (label || name) + (required ? "" : ` ${t("values.optional")}`);
  const control = (attributes) =>
    (CONTROLS[type] ?? plain)({
      parameter,
      text,
      attributes: { ...attributes, required, placeholder: parameter.placeholder ?? undefined, ...UNAIDED },
    });
  return html`<${Field} name=${name} label=${shown} hint=${hintOf(parameter)} errors=${errors} control=${control} />`;
}

/** @param {Parameter} parameter */
function hintOf(parameter) {
  const range = rangeText(parameter);
  const said = [parameter.description, range, parameter.type === "secret" && t("values.secret")];
  return said.filter(Boolean).join(" ");
}

function rangeText({ min, max }) {
  if (min !== null && max !== null) return t("values.range", { min, max });
  if (min !== null) return t("values.at-least", { min });
  return max !== null && t("values.at-most", { max });
}

const plain = ({ attributes, parameter, text }) =>
  html`<input ...${attributes} type="text" maxlength=${parameter.max_length ?? undefined} defaultValue=${text} />`;

const CONTROLS = {
  text: ({ attributes, parameter, text }) =>
    html`<textarea ...${attributes} rows="4" maxlength=${parameter.max_length ?? undefined}
      defaultValue=${text}></textarea>`,
  secret: ({ attributes }) => html`<input ...${attributes} type="password" autocomplete="new-password" />`,
  integer: ({ attributes, text }) => html`<input ...${attributes} type="text" inputmode="numeric" defaultValue=${text} />`,
  number: ({ attributes, text }) => html`<input ...${attributes} type="text" inputmode="decimal" defaultValue=${text} />`,
  date: ({ attributes, text }) => html`<input ...${attributes} type="date" defaultValue=${text} />`,
  choice: ({ attributes, parameter, text }) => choose(attributes, text, parameter.choices, parameter),
  boolean: ({ attributes, parameter, text }) =>
    choose(attributes, text, ["true", "false"], parameter, (value) => t(`values.${value}`)),
};

/** Nothing can be chosen where there is a default, which is what nothing means. */
function choose({ name, id, required, ...rest }, text, choices, parameter, say = String) {
  const described = Object.fromEntries(Object.entries(rest).filter(([one]) => one.startsWith("aria-")));
  const attributes = { name, id, required, ...described };
  const empty = parameter.default === null && (!required || text === "");
  return html`<select ...${attributes}>
    ${empty && html`<option value="" selected=${text === ""}>${t(required ? "values.choose" : "values.none")}</option>`}
    ${choices.map((one) => html`<option key=${one} value=${one} selected=${one === text}>${say(one)}</option>`)}
  </select>`;
}
