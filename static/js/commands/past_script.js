/** What a run of the command executed, compared with what the form holds. */
import { html, useEffect, useState } from "../base/ui.js";
import { DifferenceView, useDifference } from "../difference/difference_view.js";
import { NotRead } from "../parts/not_read.js";
import { getRunScript, listRunsOf } from "../server/api.js";
import { usePolling } from "../server/polling.js";
import { runInWords } from "../words/run.js";
import { t } from "../words/words.js";

const OFFERED = 50;
const TYPING_PAUSE_MS = 500;

/** @param {{command: string, form: {current: HTMLFormElement}}} props command: its id */
export function PastScript({ command, form }) {
  const [open, setOpen] = useState(false);
  return html`<details class="past-script" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${t("past-script.title")}</summary>
    ${open && html`<${Choice} command=${command} form=${form} />`}
  </details>`;
}

function Choice({ command, form }) {
  const { value: runs, problem } = usePolling(
    (options) => listRunsOf(command, { limit: OFFERED }, options),
    [command],
    () => null,
  );
  const [chosen, choose] = useState("");
  if (problem) return html`<${NotRead} problem=${problem} />`;
  if (!runs) return null;
  if (runs.items.length === 0) return html`<p>${t("command.not-run")}</p>`;
  const id = chosen || runs.items[0].id;
  return html`
    <label class="filter">
      <span>${t("past-script.run")}</span>
      <select value=${id} onChange=${(event) => choose(event.target.value)}>
        ${runs.items.map((run) => html`<option key=${run.id} value=${run.id}>${runInWords(run)}</option>`)}
      </select>
    </label>
    <${Comparison} key=${id} run=${id} form=${form} />
  `;
}

function Comparison({ run, form }) {
  const { value, problem } = usePolling(
    (options) => getRunScript(run, options),
    [run],
    () => null,
  );
  const difference = useDifference(value?.script ?? null, useTyped(form));
  if (problem) return html`<${NotRead} problem=${problem} />`;
  return html`<${DifferenceView} difference=${difference} label=${t("past-script.title")} />`;
}

/** What the form's script is, once typing pauses. */
function useTyped(form) {
  const [script, setScript] = useState(form.current.elements.script.value);
  useEffect(() => {
    let timer = 0;
    const onInput = () => {
      clearTimeout(timer);
      timer = setTimeout(() => setScript(form.current?.elements.script.value ?? ""), TYPING_PAUSE_MS);
    };
    const { current: watched } = form;
    watched.addEventListener("input", onInput);
    return () => {
      clearTimeout(timer);
      watched.removeEventListener("input", onInput);
    };
  }, []);
  return script;
}
