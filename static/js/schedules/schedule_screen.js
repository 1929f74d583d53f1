/** One schedule: why it did, or did not, start runs. */
import { replacePath, toCommand, toRun, toSchedule, toSchedules } from "../base/router.js";
import { html, useState } from "../base/ui.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { MissingScreen } from "../parts/missing.js";
import { Moment } from "../parts/time.js";
import { TypedInput } from "../parts/typed_input.js";
import { More } from "../runs/run_list.js";
import { loadPages, usePolling } from "../server/polling.js";
import { getSchedule, listFires } from "../server/schedules_api.js";
import { cronText, outcomeText } from "../words/schedules.js";
import { phrase, t } from "../words/words.js";
import { NextTimes } from "./preview.js";

const POLL_MS = 5000;

/** @param {{id: string, query: URLSearchParams}} props */
export function ScheduleScreen({ id, query }) {
  const load = (options) => getSchedule(id, options);
  const { value: schedule, problem } = usePolling(load, [id], () => POLL_MS);
  if (problem?.status === 404) return html`<${MissingScreen} what="schedule" />`;
  if (!schedule) return html`<${Waiting} problem=${problem} />`;
  const { command } = schedule;
  const trail = [
    [t("schedules.title"), toSchedules()],
    [command.name, toCommand(command.id)],
  ];
  return html`
    <${Heading} title=${cronText(schedule.cron, schedule.words)} trail=${trail} />
    <p class="muted"><code>${schedule.cron}</code> · <bdi>${schedule.time_zone}</bdi></p>
    ${schedule.enabled ? html`<${NextTimes} times=${schedule.next_times} />` : html`<p>${t("schedule.off")}</p>`}
    ${schedule.paused &&
    html`<p class="warning">${t("pause.is")} ${schedule.paused.note && html`<bdi>${schedule.paused.note}</bdi>`}</p>`}
    <${Fires} id=${id} at=${query.get("at") ?? ""} />
  `;
}

function Fires({ id, at }) {
  const [pages, setPages] = useState(1);
  const time = Date.parse(at);
  const asked = Number.isNaN(time) ? {} : { at: new Date(time).toISOString() };
  const load = (options) => loadPages((page) => listFires(id, { ...page, ...asked }, options), pages);
  const { value, problem } = usePolling(load, [id, pages, at], () => POLL_MS);
  const onAt = (event) => replacePath(toSchedule(id, { at: event.target.value }));
  return html`<section class="section">
    <div class="section__head">
      <h2>${t("fires.title")}</h2>
      <label class="filter fires__at">
        <span>${t("fires.at")}</span><${TypedInput} type="datetime-local" step="1" value=${at} onChange=${onAt} />
      </label>
    </div>
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && html`<${Empty} title=${t("fires.none")}><p>${t("fires.none.about")}</p><//>`}
    ${value?.items.length > 0 &&
    html`<p class="muted fires__zone">${t("fires.zone")}</p>
    <ul class="rows">
      ${value.items.map((fire) => html`<${FireRow} key=${fire.due_at} fire=${fire} />`)}
    </ul>`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  </section>`;
}

function FireRow({ fire }) {
  const marks = [fire.late_at && t("fire.late"), fire.long_at && t("fire.long")].filter(Boolean);
  return html`<li class="row fire-row">
    <p class="fire-row__due">
      <${Moment} at=${fire.due_at} />
      ${fire.count > 1 && html` – <${Moment} at=${fire.last_due_at} />`}
    </p>
    <div class="fire-row__what">
      <p>
        <span class=${`fire fire--${fire.outcome}`}>${outcomeText(fire.outcome)}</span>
        ${fire.count > 1 && html`${" "}${t("fire.times", { count: fire.count })}`}
        ${marks.map((mark) => html`${" "}<strong key=${mark} class="fire__mark">${mark}</strong>`)}
      </p>
      ${fire.reason && html`<p class="muted fire-row__reason"><bdi>${fire.reason}</bdi></p>`}
    </div>
    ${fire.run_id &&
    html`<a class="fire-row__run" href=${"#" + toRun(fire.run_id)}>
      ${phrase("fire.run", { id: html`<code>${fire.run_id.slice(0, 8)}</code>` })}</a>`}
  </li>`;
}
