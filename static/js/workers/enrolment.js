/** Adding a worker: a token for its pools and labels, and the command that is pasted on its host. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { enrolment, names } from "../model/workers.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { MadeOnce } from "../parts/made_once.js";
import { Ahead } from "../parts/time.js";
import { createWorkerToken } from "../server/workers_api.js";
import { phrase, t } from "../words/words.js";

const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };
const FIELDS = ["pools", "labels", "places"];
const USUAL_POOL = "default";

/** @param {{onClose: () => void}} props */
export function Enrolment({ onClose }) {
  const [made, setMade] = useState(null);
  if (!made) return html`<${TokenForm} onMade=${setMade} onClose=${onClose} />`;
  const command = enrolment(document.baseURI, made.token);
  return html`<${MadeOnce} label=${t("workers.command")} secret=${command} copied=${t("workers.command.copied")}
    onClose=${onClose}>
    <p>${t("workers.command.about")} ${phrase("workers.command.until", { ahead: html`<${Ahead} at=${made.expires_at} />` })}</p>
  <//>`;
}

function TokenForm({ onMade, onClose }) {
  const [problem, setProblem] = useState(null);
  const form = useRef(null);
  const [make, busy] = useAction(async () => {
    setProblem(null);
    try {
      onMade(await createWorkerToken(readForm(form.current)));
    } catch (failure) {
      setProblem(failure);
    }
  });
  useLayoutEffect(() => form.current.elements.pools.focus(), []);
  useEffect(() => form.current?.querySelector("[aria-invalid]")?.focus(), [problem]);
  const onSubmit = (event) => {
    event.preventDefault();
    make();
  };
  const errors = problem?.errors ?? {};
  const line = (name, value, attributes = {}) => html`<${Field} name=${name} label=${t(`workers.field.${name}`)}
    hint=${t(`workers.field.${name}.hint`)} errors=${errorsOf(errors, name)} control=${(own) => html`<input ...${own}
      type="text" ...${UNAIDED} ...${attributes} defaultValue=${value} />`} />`;
  return html`<form class="form form--inline" ref=${form} novalidate aria-label=${t("workers.add")} onSubmit=${onSubmit}>
    ${line("pools", USUAL_POOL, { required: true })} ${line("labels", "")} ${line("places", "", { inputmode: "numeric" })}
    <${FormError} problem=${problem} fields=${shown(problem)} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" label=${t("workers.make-token")} disabled=${busy} />
      <${Button} kind="quiet" label=${t("action.cancel")} onClick=${onClose} />
    </div>
  </form>`;
}

const isOf = (field, name) => field === name || field.startsWith(`${name}.`);
const errorsOf = (errors, name) => Object.entries(errors).flatMap(([field, said]) => (isOf(field, name) ? said : []));
const shown = (problem) => Object.keys(problem?.errors ?? {}).filter((field) => FIELDS.some((one) => isOf(field, one)));

/** @param {HTMLFormElement} form */
function readForm(form) {
  const { pools, labels, places } = form.elements;
  const fields = { pools: names(pools.value), labels: names(labels.value) };
  const text = places.value.trim();
  return text === "" ? fields : { ...fields, places: Number.isFinite(Number(text)) ? Number(text) : text };
}
