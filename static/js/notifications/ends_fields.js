/** The fields of a command's form that say what follows an end: retries, and who is told. */
import { html, useEffect, useRef, useState } from "../base/ui.js";
import { notifyFrom, RETRIED, retriesFrom, USUAL } from "../model/ends.js";
import { Field } from "../parts/field.js";
import { stateLabel } from "../words/run.js";
import { t } from "../words/words.js";
import { NotifyFields, readChosen } from "./notify_fields.js";

/** @typedef {import("../model/ends.js").Ends} Ends */

const isOf = (field, name) => field === name || field.startsWith(`${name}.`);

/** @param {string} field @returns {boolean} whether these fields show what is wrong with it */
export const isOfEnds = (field) => isOf(field, "retries") || isOf(field, "notify");

/** @param {{fields: Ends, errors: Record<string, string[]>}} props fields: what they hold at first */
export function EndsFields({ fields, errors }) {
  const details = useRef(null);
  const [opened, setOpened] = useState(Boolean(fields.retries || fields.notify?.length));
  const isWrong = Object.keys(errors).some(isOfEnds);
  useEffect(() => {
    if (isWrong) details.current.open = true;
  }, [isWrong]);
  const onToggle = () => details.current.open && setOpened(true);
  return html`<details class="ends" ref=${details} open=${opened} onToggle=${onToggle}>
    <summary>${t("ends.title")}</summary>
    <div class="ends__fields">
      <${RetriesFields} retries=${fields.retries} errors=${errors} />
      <${NotifyFields} notify=${fields.notify} isOpen=${opened} errors=${errors} />
    </div>
  </details>`;
}

function RetriesFields({ retries, errors }) {
  const [isRetried, setRetried] = useState(Boolean(retries));
  const said = { ...USUAL, ...retries };
  const onLimit = (event) => setRetried(event.target.value.trim() !== "");
  const limit = (attributes) => html`<input ...${attributes} type="number" min="1" max="20" inputmode="numeric"
    defaultValue=${retries?.limit ?? ""} onInput=${onLimit} />`;
  return html`<fieldset class="ends__part">
    <legend>${t("ends.retries")}</legend>
    <${Field} name="retries.limit" label=${t("ends.limit")} hint=${t("ends.limit.hint")}
      errors=${errors["retries.limit"] ?? errors.retries} control=${limit} />
    ${isRetried && html`<${How} said=${said} errors=${errors} />`}
  </fieldset>`;
}

function How({ said, errors }) {
  const number = (name, least, most) => html`<${Field} name=${`retries.${name}`} label=${t(`ends.${name}`)}
    errors=${errors[`retries.${name}`]} control=${(attributes) => html`<input ...${attributes} type="number"
      min=${least} max=${most} step="any" inputmode="decimal" defaultValue=${said[name]} />`} />`;
  const codes = (attributes) => html`<input ...${attributes} type="text" inputmode="numeric" autocomplete="off"
    defaultValue=${said.exit_codes.join(", ")} />`;
  return html`
    <div class="ends__row">${number("delay_seconds", 0, 86_400)} ${number("backoff", 1, 10)}</div>
    <${Checks} label=${t("ends.on")} name="retries.on" errors=${errors["retries.on"]}
      choices=${RETRIED.map((state) => [state, stateLabel(state), said.on.includes(state)])} />
    <${Field} name="retries.exit_codes" label=${t("ends.exit_codes")} hint=${t("ends.exit_codes.hint")}
      errors=${errors["retries.exit_codes"]} control=${codes} />
  `;
}

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.name of each
 * @param {[string, string, boolean][]} props.choices value, label, whether it is chosen at first
 * @param {string[]} [props.errors]
 */
export function Checks({ label, name, choices, errors = [] }) {
  const wrong = errors.length > 0 && { "aria-invalid": "true", "aria-describedby": `error-${name}` };
  return html`<div class="ends__checks" role="group" aria-label=${label}>
    <span class="field__label" aria-hidden="true">${label}</span>
    ${choices.map(
      ([value, text, isChosen], at) => html`<label class="check" key=${value}>
        <input type="checkbox" name=${name} value=${value} defaultChecked=${isChosen} ...${at === 0 && wrong} />
        <span>${text}</span>
      </label>`,
    )}
    ${wrong && html`<p class="field__error" id=${`error-${name}`}>${errors.join(" ")}</p>`}
  </div>`;
}

/** @param {HTMLFormElement} form @returns {Ends} nothing, where it has no such fields; null: none */
export function readEnds(form) {
  const text = (name) => form.elements[`retries.${name}`]?.value ?? String(USUAL[name]);
  if (!form.elements["retries.limit"]) return {};
  const texts = Object.fromEntries(["limit", "delay_seconds", "backoff", "exit_codes"].map((name) => [name, text(name)]));
  const on = [...form.querySelectorAll('[name="retries.on"]:checked')].map(({ value }) => value);
  return { retries: retriesFrom(texts, on), notify: notifyFrom(readChosen(form)) };
}
