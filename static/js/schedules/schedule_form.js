/** The form of a schedule, with what its line means. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { showNotice } from "../parts/notice.js";
import { changeSchedule, createSchedule } from "../server/schedules_api.js";
import { t } from "../words/words.js";
import { ParameterFields, valuesIn } from "./parameter_fields.js";
import { Preview, usePreview } from "./preview.js";

const FIELDS = ["cron", "time_zone", "overlap", "missed", "jitter_seconds"];
const OVERLAPS = ["skip", "queue", "allow"];
const MISSED = ["skip", "once"];
const EXAMPLE = "0 3 * * 1-5";
const ZONES = Intl.supportedValuesOf?.("timeZone") ?? [];
const here = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/**
 * @param {object} props
 * @param {import("../model/types.js").Command} props.command
 * @param {object} [props.schedule] that is changed; none: a new one
 * @param {() => void} props.onDone
 * @param {() => void} props.onClose
 */
export function ScheduleForm({ command, schedule, onDone, onClose }) {
  const [problem, setProblem] = useState(null);
  const [cron, setCron] = useState(schedule?.cron ?? "");
  const [timeZone, setTimeZone] = useState(schedule?.time_zone ?? here());
  const preview = usePreview(cron, timeZone);
  const form = useRef(null);
  const parameters = command.parameters ?? [];
  const [save, busy] = useAction(async () => {
    setProblem(null);
    try {
      const fields = fieldsIn(form.current.elements, parameters);
      await (schedule ? changeSchedule(schedule.id, fields) : createSchedule(command.id, fields));
      showNotice(t(schedule ? "schedule.changed" : "schedule.made"));
      onDone();
    } catch (failure) {
      setProblem(failure);
    }
  });
  useLayoutEffect(() => form.current.elements.cron.focus(), []);
  useEffect(() => form.current?.querySelector("[aria-invalid]")?.focus(), [problem]);
  const onSubmit = (event) => {
    event.preventDefault();
    save();
  };
  const errors = { ...preview.errors, ...(problem?.errors ?? {}) };
  const typed = (value, set, more) => (attributes) =>
    html`<input ...${attributes} type="text" value=${value} autocomplete="off" autocapitalize="off" spellcheck=${false}
      onInput=${(event) => {
        set(event.target.value);
        setProblem(null);
      }} ...${more} />`;
  const shown = [...FIELDS, ...parameters.map(({ name }) => `parameters.${name}`)];
  return html`<form class="form form--inline" ref=${form} novalidate onSubmit=${onSubmit}
    aria-label=${t(schedule ? "schedule.edit" : "schedule.new")}>
    <${Field} name="cron" label=${t("schedule.cron")} hint=${t("schedule.cron.hint")} errors=${errors.cron}
      control=${typed(cron, setCron, { required: true, placeholder: EXAMPLE, className: "mono" })} />
    <${Field} name="time_zone" label=${t("schedule.zone")} errors=${errors.time_zone}
      control=${typed(timeZone, setTimeZone, { required: true, list: "time-zones" })} />
    <datalist id="time-zones">${ZONES.map((zone) => html`<option key=${zone} value=${zone} />`)}</datalist>
    <${Preview} cron=${cron} found=${preview.found} />
    <${Choice} name="overlap" options=${OVERLAPS} chosen=${schedule?.overlap} errors=${errors.overlap} />
    <${Choice} name="missed" options=${MISSED} chosen=${schedule?.missed} errors=${errors.missed} />
    <${Jitter} seconds=${schedule?.jitter_seconds} errors=${errors.jitter_seconds} />
    <${ParameterFields} parameters=${parameters} values=${schedule?.parameters} errors=${errors}
      isKept=${Boolean(schedule)} />
    <${FormError} problem=${problem} fields=${shown} />
    <div class="form__actions">
      <${Button} type="submit" kind="main" label=${t("schedule.save")} disabled=${busy} />
      <${Button} kind="quiet" label=${t("action.cancel")} onClick=${onClose} />
    </div>
  </form>`;
}

function fieldsIn(elements, parameters) {
  const fields = {
    cron: elements.cron.value.trim(),
    time_zone: elements.time_zone.value.trim(),
    overlap: elements.overlap.value,
    missed: elements.missed.value,
    jitter_seconds: Number(elements.jitter_seconds.value),
  };
  return parameters.length > 0 ? { ...fields, parameters: valuesIn(elements, parameters) } : fields;
}

function Choice({ name, options, chosen = options[0], errors }) {
  const control = (attributes) => html`<select ...${attributes}>
    ${options.map(
      (each) => html`<option key=${each} value=${each} selected=${each === chosen}>
        ${t(`schedule.${name}.${each}`)}</option>`,
    )}
  </select>`;
  return html`<${Field} name=${name} label=${t(`schedule.${name}`)} errors=${errors} control=${control} />`;
}

function Jitter({ seconds = 0, errors }) {
  const control = (attributes) =>
    html`<input ...${attributes} type="number" min="0" max="3600" step="1" defaultValue=${seconds} />`;
  return html`<${Field} name="jitter_seconds" label=${t("schedule.jitter")} hint=${t("schedule.jitter.hint")}
    errors=${errors} control=${control} />`;
}
