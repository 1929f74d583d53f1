/** Making a command, and changing one. */
import { useAction } from "../actions.js";
import { createCommand, getCommand, replaceCommand } from "../api.js";
import { useFresh } from "../fresh.js";
import { Button } from "../parts/button.js";
import { Waiting } from "../parts/empty.js";
import { Field } from "../parts/field.js";
import { Heading } from "../parts/heading.js";
import { say } from "../parts/notice.js";
import { go, toCommand, toCommands, toRun } from "../router.js";
import { useShortcuts } from "../shortcuts.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";
import { MissingScreen } from "./missing.js";

const BLANK = { name: "", description: "", script: "" };
const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };
const SCRIPT_HINT =
  "A bash script (sh where there is no bash), or one in any language whose first line names its interpreter, " +
  "such as #!/usr/bin/env python3.";
const EXAMPLE = 'for i in 1 2 3; do\n  echo "line $i"\n  sleep 1\ndone';

export function NewScreen() {
  const save = async (fields, start) => {
    const command = await createCommand({ ...fields, start });
    go(command.run ? toRun(command.run.id) : toCommand(command.id));
  };
  return html`
    <${Heading} title="New command" trail=${[["Commands", toCommands()]]} />
    <${CommandForm} fields=${BLANK} isNew back=${toCommands()} save=${save} />
  `;
}

/** @param {{id: string}} props */
export function EditScreen({ id }) {
  const { value: command, problem } = useFresh(
    (options) => getCommand(id, options),
    [id],
    () => null,
  );
  if (problem?.status === 404) return html`<${MissingScreen} what="command" />`;
  if (!command) return html`<${Waiting} problem=${problem} />`;
  const save = async (fields) => {
    await replaceCommand(id, fields);
    say(html`Saved <bdi>${fields.name}</bdi>.`);
    go(toCommand(id));
  };
  const trail = [
    ["Commands", toCommands()],
    [command.name, toCommand(id)],
  ];
  return html`
    <${Heading} title=${`Edit ${command.name}`} shown=${html`Edit <bdi>${command.name}</bdi>`} trail=${trail} />
    <${CommandForm} fields=${command} back=${toCommand(id)} save=${save} />
  `;
}

/**
 * @param {object} props
 * @param {{name: string, description: string|null, script: string}} props.fields
 * @param {boolean} [props.isNew]
 * @param {string} props.back where leaving the form leads
 * @param {(fields: object, start: boolean) => Promise<void>} props.save
 */
function CommandForm({ fields, isNew = false, back, save }) {
  const [problem, setProblem] = useState(null);
  const form = useRef(null);
  const [submit, busy] = useAction(async (start) => {
    setProblem(null);
    try {
      await save(read(form.current), start);
    } catch (failure) {
      setProblem(failure);
    }
  });
  useEffect(() => form.current.querySelector("[aria-invalid]")?.focus(), [problem]);
  useLayoutEffect(() => form.current.elements.name.focus(), []);
  useLeaveGuard(() => form.current && !busy && changed(form.current, fields));
  useShortcuts([
    {
      key: "Escape",
      does: "Leave the form, if nothing was changed",
      run: () => changed(form.current, fields) || go(back),
    },
  ]);
  const main = isNew ? "Save and start" : "Save";
  const onSubmit = (event) => {
    event.preventDefault();
    submit(isNew);
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.current.requestSubmit();
  };
  return html`<form class="form" ref=${form} novalidate onSubmit=${onSubmit} onKeyDown=${onKeyDown}>
    <${Fields} fields=${fields} errors=${problem?.errors ?? {}} />
    <${FormError} problem=${problem} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" words=${busy ? "Saving…" : main} disabled=${busy} />
      ${isNew && html`<${Button} words="Save only" disabled=${busy} onClick=${() => submit(false)} />`}
      <${Button} kind="quiet" words="Cancel" href=${"#" + back} />
      <span class="form__hint wide-only"><kbd>Ctrl</kbd> <kbd>Enter</kbd> ${isNew ? "saves and starts" : "saves"}</span>
    </div>
  </form>`;
}

function Fields({ fields, errors }) {
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

/** What is wrong with the form as a whole, or with a field that it does not show. */
function FormError({ problem }) {
  if (!problem) return null;
  const others = Object.entries(problem.errors).filter(([field]) => !(field in BLANK));
  if (others.length === 0 && Object.keys(problem.errors).length > 0) return null;
  const texts = others.length ? others.map(([field, words]) => `${field}: ${words.join(" ")}`) : [problem.message];
  return html`<p class="form-error" role="alert">${texts.join(" ")}</p>`;
}

function read(form) {
  const { name, description, script } = form.elements;
  return { name: name.value.trim(), description: description.value.trim() || null, script: script.value };
}

/** @returns {boolean} whether leaving would lose what was typed */
function changed(form, fields) {
  const now = read(form);
  return Object.keys(BLANK).some((field) => (now[field] ?? "") !== (fields[field] ?? ""));
}

/** The browser asks before the page is closed with something unsaved in it. */
function useLeaveGuard(unsaved) {
  const check = useRef(unsaved);
  check.current = unsaved;
  useEffect(() => {
    const ask = (event) => check.current() && event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, []);
}
