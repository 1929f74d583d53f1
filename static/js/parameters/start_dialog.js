/** What is asked before a command with parameters is started. */
import { go, toRun } from "../base/router.js";
import { Store, useStore } from "../base/store.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { FormError } from "../parts/form_error.js";
import { getCommand, startRun } from "../server/api.js";
import { phrase, t } from "../words/words.js";
import { ValueField } from "./value_field.js";
import { firstTexts, takesValues, valuesOf, wrongValues } from "./values.js";

/**
 * @typedef {import("../model/types.js").Command} Command
 * @typedef {import("./values.js").Values} Values
 * @typedef {import("../server/answers.js").Problem} Problem
 *
 * @type {Store<{command: Command, last: Values|null|undefined, problem: Problem|null}|null>} what is asked for now
 */
export const asked = new Store(null);

/** Starts a command and goes to its output; asks for values first, if it takes some. @param {Command} command */
export async function startOrAsk(command) {
  if (!takesValues(command)) return watch(await startRun(command.id));
  return ask(command.id, command.last_run?.parameters);
}

/** Starts a command with the values of a run of it, and asks only for what is not there any more. */
export async function startAgain(run) {
  try {
    const whole = run.parameters_truncated ? null : run.parameters;
    const { parameters } = await getCommand(run.command_id);
    const isSecret = parameters.some(({ type }) => type === "secret");
    if (isSecret || (parameters.length > 0 && whole === null)) return ask(run.command_id, whole);
    return watch(await startRun(run.command_id, whole ?? {}));
  } catch (problem) {
    if (Object.keys(wrongValues(problem.errors ?? {})).length === 0) throw problem;
    return ask(run.command_id, run.parameters, problem);
  }
}

/** @param {string} commandId @param {Values|null|undefined} last @param {Problem|null} [problem] */
export async function ask(commandId, last, problem = null) {
  asked.set({ command: await getCommand(commandId), last, problem });
}

const watch = (run) => go(toRun(run.id));

/** The dialog, while something is asked for. */
export function StartDialog() {
  const question = useStore(asked);
  return question && html`<${Ask} key=${question.command.id} ...${question} />`;
}

const close = () => asked.set(null);

function Ask({ command, last, problem: before }) {
  const form = useRef(null);
  const [problem, setProblem] = useState(before);
  const { parameters } = command;
  const [texts] = useState(() => firstTexts(parameters, last));
  const [submit, busy] = useAction(async () => {
    setProblem(null);
    try {
      const read = Object.fromEntries(parameters.map(({ name }) => [name, form.current.elements[name].value]));
      const run = await startRun(command.id, valuesOf(parameters, read));
      close();
      watch(run);
    } catch (failure) {
      setProblem(failure);
    }
  });
  useLayoutEffect(() => form.current.querySelector("input, textarea, select")?.focus(), []);
  useEffect(() => form.current.querySelector("[aria-invalid]")?.focus(), [problem]);
  const onSubmit = (event) => {
    event.preventDefault();
    submit();
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.current.requestSubmit();
  };
  const errors = wrongValues(problem?.errors ?? {});
  const shown = Object.keys(errors).map((name) => `parameters.${name}`);
  return html`<${Dialog} title=${phrase("values.start", { name: html`<bdi>${command.name}</bdi>` })} onClose=${close}>
    <form class="values" ref=${form} novalidate onSubmit=${onSubmit} onKeyDown=${onKeyDown}>
      ${parameters.map(
        (parameter) => html`<${ValueField} key=${parameter.name} parameter=${parameter}
          text=${texts[parameter.name]} errors=${errors[parameter.name]} />`,
      )}
      <${FormError} problem=${problem} fields=${shown} />
      <div class="dialog__actions">
        <${Button} label=${t("action.cancel")} onClick=${close} />
        <${Button} type="submit" kind="main" icon="start" label=${t("command.start")} disabled=${busy} />
      </div>
    </form>
  <//>`;
}
