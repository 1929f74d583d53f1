/** The form that makes a hook, or changes one. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { showNotice } from "../parts/notice.js";
import { changeHook, createHook } from "../server/hooks_api.js";
import { phrase, t } from "../words/words.js";

/** @typedef {import("../model/types.js").Hook} Hook */

/** How a sender may sign, with one of its events. */
const SCHEMES = { github: "push", gitlab: "Push Hook", standard: "invoice.paid" };
const FIELDS = ["name", "scheme", "secret", "events", "parameters"];
const EXAMPLE = "/repository/name";
const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };
const fieldName = (parameter) => `parameters.${parameter}`;

/**
 * @param {object} props
 * @param {import("../model/types.js").Command} props.command
 * @param {Hook|null} props.hook null: a new one
 * @param {(hook: Hook & {secret?: string}) => void} props.onSaved a new one has its secret, this once
 * @param {() => void} props.onClose
 */
export function HookForm({ command, hook, onSaved, onClose }) {
  const [scheme, setScheme] = useState(hook?.scheme ?? Object.keys(SCHEMES)[0]);
  const [problem, setProblem] = useState(null);
  const form = useRef(null);
  const parameters = namesOf(command, hook);
  const [save, busy] = useAction(async () => {
    setProblem(null);
    try {
      const fields = fieldsIn(form.current.elements, parameters, hook);
      const saved = await (hook ? changeHook(hook.id, fields) : createHook(command.id, { ...fields, scheme }));
      showNotice(phrase(hook ? "hook.changed" : "hook.added", { name: html`<bdi>${saved.name}</bdi>` }));
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
  const errors = problem?.errors ?? {};
  return html`<form class="form form--inline" ref=${form} novalidate onSubmit=${onSubmit}
    aria-label=${hook ? t("hook.change-one", hook) : t("hook.new")}>
    <${HookFields} hook=${hook} scheme=${scheme} onScheme=${setScheme} errors=${errors} />
    ${parameters.length > 0 && html`<${Pointers} parameters=${parameters} hook=${hook} errors=${errors} />`}
    <${FormError} problem=${problem} fields=${[...FIELDS, ...parameters.map(fieldName)]} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" label=${t(hook ? "form.save" : "hook.add")} disabled=${busy} />
      <${Button} kind="quiet" label=${t("action.cancel")} onClick=${onClose} />
    </div>
  </form>`;
}

/** Also those that the command has no more: what is said of them is to be seen, and taken away. */
const namesOf = ({ parameters = [] }, hook) => [
  ...new Set([...parameters.map(({ name }) => name), ...Object.keys(hook?.parameters ?? {})]),
];

function HookFields({ hook, scheme, onScheme, errors }) {
  const name = (attributes) =>
    html`<input ...${attributes} type="text" required defaultValue=${hook?.name ?? ""} autocomplete="off" />`;
  const schemes = (attributes) => html`<select ...${attributes} onChange=${(event) => onScheme(event.target.value)}>
    ${Object.keys(SCHEMES).map((each) => html`<option key=${each} value=${each}>${t(`hook.scheme.${each}`)}</option>`)}
  </select>`;
  const events = (attributes) => html`<textarea ...${attributes} rows="2" ...${UNAIDED}
    defaultValue=${hook?.events.join("\n") ?? ""}></textarea>`;
  const secret = (attributes) => html`<input ...${attributes} type="text" ...${UNAIDED} />`;
  return html`
    <${Field} name="name" label=${t("field.name")} errors=${errors.name} control=${name} />
    ${!hook &&
    html`<${Field} name="scheme" label=${t("hook.scheme")} hint=${t(`hook.sender.${scheme}`)} errors=${errors.scheme}
      control=${schemes} />`}
    <${Field} name="events" label=${t("hook.events")} errors=${errors.events} control=${events}
      hint=${t("hook.events.hint", { example: SCHEMES[scheme] })} />
    <${Field} name="secret" label=${t("hook.secret")} errors=${errors.secret} control=${secret}
      hint=${t(hook ? "hook.secret.kept" : "hook.secret.hint")} />
  `;
}

function Pointers({ parameters, hook, errors }) {
  const field = (parameter) => {
    const pointer = hook?.parameters[parameter];
    const control = (attributes) => html`<input ...${attributes} type="text" class="mono" ...${UNAIDED}
      placeholder=${pointer === "" ? t("hook.whole") : EXAMPLE} defaultValue=${pointer ?? ""} />`;
    const name = fieldName(parameter);
    return html`<${Field} key=${name} name=${name} label=${parameter} errors=${errors[name]} control=${control} />`;
  };
  return html`<fieldset class="hook__pointers">
    <legend>${t("hook.pointers")}</legend>
    <p class="field__hint">${t("hook.pointers.hint")}</p>
    ${errors.parameters && html`<p class="field__error">${errors.parameters.join(" ")}</p>`}
    ${parameters.map(field)}
  </fieldset>`;
}

/** What is empty is not said; but what leads to all of the body is an empty pointer, and stays. */
function fieldsIn(elements, parameters, hook) {
  const pointers = parameters.map((name) => [name, elements[fieldName(name)].value.trim()]);
  const isSaid = ([name, pointer]) => pointer !== "" || hook?.parameters[name] === "";
  const secret = elements.secret.value.trim();
  return {
    name: elements.name.value.trim(),
    events: elements.events.value.split("\n").map((line) => line.trim()).filter(Boolean),
    parameters: Object.fromEntries(pointers.filter(isSaid)),
    ...(secret && { secret }),
  };
}
