/** The form that makes a target, or changes one. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { showNotice } from "../parts/notice.js";
import { changeTarget, createTarget } from "../server/notifications_api.js";
import { TYPES, typeLabel } from "../words/notifications.js";
import { phrase, t } from "../words/words.js";

/** @typedef {import("../model/types.js").Target} Target */

const FIELDS = ["name", "type", "url", "secret"];
const WEBHOOK = "webhook";
const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };

/**
 * @param {object} props
 * @param {Target|null} props.target null: a new one
 * @param {(target: Target & {secret?: string|null}) => void} props.onSaved a new one has its secret, this once
 * @param {() => void} props.onClose
 */
export function TargetForm({ target, onSaved, onClose }) {
  const [type, setType] = useState(target?.type ?? WEBHOOK);
  const [problem, setProblem] = useState(null);
  const form = useRef(null);
  const [save, busy] = useAction(async () => {
    setProblem(null);
    try {
      const fields = readForm(form.current);
      const saved = await (target ? changeTarget(target.id, fields) : createTarget({ ...fields, type }));
      showNotice(phrase(target ? "targets.changed" : "targets.added", { name: html`<bdi>${fields.name}</bdi>` }));
      onSaved(saved);
    } catch (failure) {
      setProblem(failure);
    }
  });
  useLayoutEffect(() => {
    const before = document.activeElement;
    form.current.elements.name.focus();
    return () => before instanceof HTMLElement && before.isConnected && before.focus();
  }, []);
  useEffect(() => form.current?.querySelector("[aria-invalid]")?.focus(), [problem]);
  const onSubmit = (event) => {
    event.preventDefault();
    save();
  };
  const title = target ? t("targets.change-one", target) : t("targets.new");
  return html`<form class="form form--inline" ref=${form} novalidate aria-label=${title} onSubmit=${onSubmit}>
    <h2>${title}</h2>
    <${TargetFields} target=${target} type=${type} onType=${setType} errors=${problem?.errors ?? {}} />
    <${FormError} problem=${problem} fields=${FIELDS} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" label=${t(target ? "form.save" : "targets.add")} disabled=${busy} />
      <${Button} kind="quiet" label=${t("action.cancel")} onClick=${onClose} />
    </div>
  </form>`;
}

function TargetFields({ target, type, onType, errors }) {
  const name = (attributes) =>
    html`<input ...${attributes} type="text" required defaultValue=${target?.name ?? ""} autocomplete="off" />`;
  const types = (attributes) => html`<select ...${attributes} onChange=${(event) => onType(event.target.value)}>
    ${TYPES.map((each) => html`<option key=${each} value=${each}>${typeLabel(each)}</option>`)}
  </select>`;
  const url = (attributes) => html`<input ...${attributes} type="text" required=${!target} inputmode="url" ...${UNAIDED} />`;
  const secret = (attributes) => html`<input ...${attributes} type="text" ...${UNAIDED} />`;
  const kept = target && t("targets.url.kept");
  return html`
    <${Field} name="name" label=${t("field.name")} hint=${t("targets.name.hint")} errors=${errors.name} control=${name} />
    ${!target &&
    html`<${Field} name="type" label=${t("targets.type")} hint=${t(`targets.type.${type}.hint`)} errors=${errors.type}
      control=${types} />`}
    <${Field} name="url" label=${t("targets.url")} hint=${kept || t(`targets.url.${type}.hint`)} errors=${errors.url}
      control=${url} />
    ${type === WEBHOOK &&
    html`<${Field} name="secret" label=${t("targets.secret")} errors=${errors.secret} control=${secret}
      hint=${t(target ? "targets.secret.kept" : "targets.secret.hint")} />`}
  `;
}

/** @param {HTMLFormElement} form @returns {object} what is empty is not said; a new one's URL is asked for by the server */
function readForm(form) {
  const { name, url, secret } = form.elements;
  const said = { name: name.value.trim() };
  if (url.value.trim() || url.required) said.url = url.value.trim();
  if (secret?.value.trim()) said.secret = secret.value.trim();
  return said;
}
