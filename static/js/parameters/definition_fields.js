/** What a command says beyond name and script: parameters, environment, directory, bounds, key. */
import { html, useEffect, useRef } from "../base/ui.js";
import { Field } from "../parts/field.js";
import { t } from "../words/words.js";
import {
  BEYOND,
  DEFINITION,
  definitionFrom,
  definitionOf,
  linesOf,
  ON_UNREACHABLE,
  saysTheSame,
  TEXT_FIELDS,
} from "./definition.js";
import { ParametersEditor } from "./parameters_editor.js";

const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };
const EXAMPLE = "LANG=C.UTF-8";
const POLICIES = ["", "stop", "head_and_tail"];

/** @param {{fields: object, errors: Record<string, string[]>}} props fields: what they hold at first */
export function DefinitionFields({ fields, errors }) {
  const details = useRef(null);
  const said = definitionOf(fields);
  const isWrong = Object.keys(errors).some(isOfDefinition);
  useEffect(() => {
    if (isWrong) details.current.open = true;
  }, [isWrong]);
  const line = (name, hint) => html`<${Field} name=${name} label=${t(`definition.${name}`)} hint=${hint}
    errors=${errors[name]} control=${(attributes) => html`<input ...${attributes} type="text" ...${UNAIDED}
      defaultValue=${said[name] ?? ""} />`} />`;
  return html`<details class="definition" ref=${details} open=${!saysTheSame(said, {})}>
    <summary>${t("definition.title")}</summary>
    <div class="definition__fields">
      <${ParametersEditor} parameters=${said.parameters} errors=${errors} />
      <${Environment} variables=${said.environment} errors=${errors} />
      ${line("working_directory", t("definition.working_directory.hint"))}
      <div class="definition__row">${line("timeout_seconds")} ${line("grace_seconds")}</div>
      <div class="definition__row">
        ${line("max_output_bytes")} <${Policy} policy=${said.output_policy} errors=${errors.output_policy} />
      </div>
      <div class="definition__row"><${Concurrency} concurrency=${said.concurrency} errors=${errors} /></div>
      <div class="definition__row">
        ${line("pool", t("definition.pool.hint"))} <${Requires} labels=${said.requires} errors=${errors} />
      </div>
      <div class="definition__row">
        <${OnUnreachable} chosen=${said.on_unreachable} errors=${errors.on_unreachable} />
        ${line("lost_after_seconds", t("definition.lost_after_seconds.hint"))}
      </div>
      ${line("key", t("definition.key.hint"))}
    </div>
  </details>`;
}

function Environment({ variables, errors }) {
  const wrong = Object.entries(errors).flatMap(([field, said]) => (isOf(field, "environment") ? said : []));
  return html`<${Field} name="environment" label=${t("definition.environment")}
    hint=${t("definition.environment.hint")} errors=${wrong}
    control=${(attributes) => html`<textarea ...${attributes} class="mono" rows="3" ...${UNAIDED}
      placeholder=${EXAMPLE} defaultValue=${linesOf(variables)}></textarea>`} />`;
}

const Policy = ({ policy, errors }) => html`<${Field} name="output_policy" label=${t("definition.output_policy")}
  errors=${errors} control=${(attributes) => html`<select ...${attributes}>
    ${POLICIES.map(
      (one) => html`<option key=${one} value=${one} selected=${one === (policy ?? "")}>
        ${t(`definition.output_policy.${one || "usual"}`)}
      </option>`,
    )}
  </select>`} />`;

function Requires({ labels, errors }) {
  const wrong = Object.entries(errors).flatMap(([field, said]) => (isOf(field, "requires") ? said : []));
  return html`<${Field} name="requires" label=${t("definition.requires")} hint=${t("definition.requires.hint")}
    errors=${wrong} control=${(attributes) => html`<input ...${attributes} type="text" ...${UNAIDED}
      defaultValue=${labels.join(", ")} />`} />`;
}

const OnUnreachable = ({ chosen, errors }) => html`<${Field} name="on_unreachable"
  label=${t("definition.on_unreachable")} errors=${errors} control=${(attributes) => html`<select ...${attributes}>
    ${ON_UNREACHABLE.map(
      (one) => html`<option key=${one} value=${usually(one)} selected=${usually(one) === (chosen ?? "")}>
        ${t(`definition.on_unreachable.${one}`)}
      </option>`,
    )}
  </select>`} />`;

/** What the usual one is sent as: nothing is said of it. */
const usually = (one) => (one === ON_UNREACHABLE[0] ? "" : one);

function Concurrency({ concurrency, errors }) {
  const limit = (attributes) => html`<input ...${attributes} type="text" inputmode="numeric" ...${UNAIDED}
    defaultValue=${concurrency?.limit ?? ""} />`;
  const beyond = (attributes) => html`<select ...${attributes}>
    ${BEYOND.map(
      (one) => html`<option key=${one} value=${one} selected=${one === (concurrency?.beyond ?? BEYOND[0])}>
        ${t(`definition.concurrency.${one}`)}
      </option>`,
    )}
  </select>`;
  return html`
    <${Field} name="concurrency.limit" label=${t("definition.concurrency.limit")}
      hint=${t("definition.concurrency.hint")} control=${limit}
      errors=${errors["concurrency.limit"] ?? errors.concurrency} />
    <${Field} name="concurrency.beyond" label=${t("definition.concurrency.beyond")} control=${beyond}
      errors=${errors["concurrency.beyond"]} />
  `;
}

const isOf = (field, name) => field === name || field.startsWith(name + ".");

/** Whether these fields show what is wrong with a field. @param {string} field */
export const isOfDefinition = (field) => DEFINITION.some((name) => isOf(field, name));

/** @param {HTMLFormElement} form @returns {import("./definition.js").Definition|{}} nothing, where it has no such fields */
export function readDefinition(form) {
  if (!form.elements.parameters) return {};
  const texts = Object.fromEntries(TEXT_FIELDS.map((name) => [name, form.elements[name].value]));
  return definitionFrom(texts, JSON.parse(form.elements.parameters.value || "[]"));
}
