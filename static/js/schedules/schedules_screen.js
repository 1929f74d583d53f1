/** All schedules, and when in the coming week they are due. */
import { toCommand, toSchedule } from "../base/router.js";
import { html, useMemo, useState } from "../base/ui.js";
import { DAYS, isDense, ticksOf, weekOf } from "../model/week.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { Ahead } from "../parts/time.js";
import { More } from "../runs/run_list.js";
import { serverNow } from "../server/clock.js";
import { loadPages, pollInterval, usePolling } from "../server/polling.js";
import { listSchedules } from "../server/schedules_api.js";
import { times } from "../words/locale.js";
import { cronText } from "../words/schedules.js";
import { t } from "../words/words.js";
import { changedSchedules, NO_SCHEDULES, useReloadWhenDue } from "./due.js";

export function SchedulesScreen() {
  const [pages, setPages] = useState(1);
  const load = (options) => {
    const until = new Date(weekOf(serverNow())[DAYS]).toISOString();
    return loadPages((page) => listSchedules({ ...page, until }, options), pages);
  };
  const any = changedSchedules(() => true);
  const { value, problem, reload } = usePolling(load, [pages], () => pollInterval(false), any);
  useReloadWhenDue(value?.items ?? NO_SCHEDULES, reload);
  return html`
    <${Heading} title=${t("schedules.title")} />
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && html`<${Empty} title=${t("schedules.none")}><p>${t("schedules.none.about")}</p><//>`}
    ${value?.items.length > 0 && html`<${Week} schedules=${value.items} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  `;
}

function Week({ schedules }) {
  const [start] = weekOf(serverNow());
  const days = useMemo(() => weekOf(start), [start]);
  return html`<ul class="rows week">
    <li class="row week-row week-row--days" aria-hidden="true">
      <span></span>
      <span class="week__days">
        ${days.slice(0, DAYS).map((day) => html`<span key=${day} class="week__name">${dayText(day)}</span>`)}
      </span>
    </li>
    ${schedules.map((one) => html`<${WeekRow} key=${one.id} schedule=${one} days=${days} />`)}
  </ul>`;
}

const dayText = (day) => times({ weekday: "short", day: "numeric" }).format(day);

function WeekRow({ schedule, days }) {
  const words = cronText(schedule.cron, schedule.words);
  const [next] = schedule.next_times;
  return html`<li class=${schedule.enabled && !schedule.paused ? "row week-row" : "row week-row week-row--off"}>
    <div class="week-row__what">
      <p class="week-row__name"><a href=${"#" + toCommand(schedule.command.id)}><bdi>${schedule.command.name}</bdi></a></p>
      <p class="muted">
        <a href=${"#" + toSchedule(schedule.id)}>${words}</a> · <bdi>${schedule.time_zone}</bdi>
        ${schedule.paused && html` · ${t("pause.is")}`}${!schedule.enabled && html` · ${t("schedule.off")}`}
        ${next && !schedule.paused && html` · <${Ahead} at=${next} />`}
      </p>
    </div>
    <${Strip} schedule=${schedule} days=${days} />
  </li>`;
}

function Strip({ schedule, days }) {
  const dense = isDense(schedule);
  const due = schedule.times ?? [];
  const label = dense ? t("week.dense") : t("week.count", { count: due.length });
  return html`<div class=${dense ? "week__days week__days--dense" : "week__days"} role="img" aria-label=${label}>
    ${ticksOf(due, days).map(
      (ticks, day) => html`<span key=${day} class="week__day">
        ${!dense &&
        ticks.map((at) => html`<span key=${at} class="week__tick" style=${{ left: `${(at * 100).toFixed(2)}%` }}></span>`)}
      </span>`,
    )}
    ${dense && html`<span class="week__band" style=${{ left: `${bandStart(due, days)}%` }}></span>`}
  </div>`;
}

/** The due times that are known begin where the band does. */
function bandStart(due, days) {
  const [first] = due;
  if (!first) return 0;
  return (((Date.parse(first) - days[0]) / (days[DAYS] - days[0])) * 100).toFixed(2);
}
