/** What the runs are narrowed by: state, command, time, duration, exit code, words of the reason; in the address. */
import { useStore } from "../base/store.js";
import { html, useEffect, useRef, useState } from "../base/ui.js";
import { maySeeWorkers } from "../model/access.js";
import { shortId } from "../model/run.js";
import { statesOf } from "../model/run_filter.js";
import { Combobox } from "../parts/combobox.js";
import { StateChoice } from "../parts/state_choice.js";
import { TypedInput } from "../parts/typed_input.js";
import { listCommands } from "../server/api.js";
import { session } from "../server/session.js";
import { listWorkers } from "../server/workers_api.js";
import { t } from "../words/words.js";

/** @typedef {import("../model/run_filter.js").RunFilter} RunFilter */

const WHENS = ["today", "night"];
const FURTHER = ["min_seconds", "max_seconds", "exitcode", "q", "pool", "host"];

/** Of the commands that are found. */
const MOST_OFFERED = 10;

/**
 * @param {object} props
 * @param {RunFilter} props.filter
 * @param {string|undefined} props.commandName of the one that is chosen, once it is known
 * @param {(filter: RunFilter) => void} props.onFilter
 */
export function RunsFilter({ filter, commandName, onFilter }) {
  const change = (event) => onFilter({ ...filter, [event.target.name]: event.target.value.trim() });
  const areMet = maySeeWorkers(useStore(session).who);
  const open = useRef(FURTHER.some((name) => filter[name])).current;
  return html`<form class="filters runs-filter" role="search" aria-label=${t("runs.filter")}
    onSubmit=${(event) => event.preventDefault()}>
    <${StateChoice} label=${t("runs.state")} chosen=${statesOf(filter)}
      onChoose=${(state) => onFilter({ ...filter, state })} />
    <${CommandChoice} filter=${filter} commandName=${commandName} onFilter=${onFilter} />
    <${TimeChoice} filter=${filter} onFilter=${onFilter} change=${change} />
    <details class="runs-filter__more" open=${open}>
      <summary>${t("runs.filter.more")}</summary>
      <div class="runs-filter__fields">
        <${Field} name="min_seconds" type="number" filter=${filter} change=${change} />
        <${Field} name="max_seconds" type="number" filter=${filter} change=${change} />
        <${Field} name="exitcode" type="number" filter=${filter} change=${change} />
        <${Field} name="q" type="search" filter=${filter} change=${change} />
        ${(filter.pool || areMet) && html`<${Field} name="pool" type="text" filter=${filter} change=${change} />`}
        ${(filter.host || areMet) && html`<${HostChoice} filter=${filter} onFilter=${onFilter} />`}
      </div>
    </details>
  </form>`;
}

function CommandChoice({ filter, commandName, onFilter }) {
  const { command_id: id = "" } = filter;
  const search = async (q, options) => (await listCommands({ q, limit: MOST_OFFERED }, options)).items;
  return html`<${Combobox} name="runs-command" label=${t("runs.command")} none=${t("filter.all")}
    chosen=${{ id, name: commandName ?? shortId(id) }} search=${search}
    onChoose=${(one) => onFilter({ ...filter, command_id: one.id })} />`;
}

/** One of the hosts by its name; a link may name another, which is told by its id. */
function HostChoice({ filter, onFilter }) {
  const { host: id = "" } = filter;
  const known = useRef(new Map());
  const [, again] = useState(0);
  const load = async (options) => {
    const { items } = await listWorkers(options);
    for (const worker of items) known.current.set(worker.id, worker.name);
    again((count) => count + 1);
    return items;
  };
  useEffect(() => {
    if (id && !known.current.has(id)) load({}).catch(() => {}); // its id is shown
  }, [id]);
  const search = async (text, options) =>
    (await load(options)).filter(({ name }) => name.toLowerCase().includes(text.toLowerCase())).slice(0, MOST_OFFERED);
  return html`<${Combobox} name="runs-host" label=${t("runs.filter.host")} none=${t("runs.filter.host.any")}
    chosen=${{ id, name: known.current.get(id) ?? shortId(id) }} search=${search}
    onChoose=${(one) => onFilter({ ...filter, host: one.id })} />`;
}

function TimeChoice({ filter, onFilter, change }) {
  const isSpan = filter.since !== undefined || filter.until !== undefined;
  const choose = ({ target: { value } }) => {
    const { since, until, when, ...rest } = filter;
    onFilter(value === "span" ? { ...rest, since: since ?? midnight() } : { ...rest, when: value });
  };
  return html`<label class="filter">
      <span>${t("runs.when")}</span>
      <select value=${isSpan ? "span" : (filter.when ?? "")} onChange=${choose}>
        <option value="">${t("runs.when.any")}</option>
        ${WHENS.map((when) => html`<option key=${when} value=${when}>${t(`runs.when.${when}`)}</option>`)}
        <option value="span">${t("runs.when.span")}</option>
      </select>
    </label>
    ${isSpan &&
    ["since", "until"].map(
      (name) => html`<${Field} key=${name} name=${name} type="datetime-local" filter=${filter} change=${change} />`,
    )}`;
}

const Field = ({ name, type, filter, change }) => html`<label class="filter">
  <span>${t(`runs.filter.${name}`)}</span>
  <${TypedInput} name=${name} type=${type} value=${filter[name] ?? ""} min=${name.endsWith("seconds") ? 0 : undefined}
    step=${type === "number" ? "any" : undefined} autocomplete="off" spellcheck=${false} onChange=${change} />
</label>`;

/** @returns {string} of today, as the field takes it */
function midnight() {
  const now = new Date();
  const two = (number) => String(number).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}T00:00`;
}
