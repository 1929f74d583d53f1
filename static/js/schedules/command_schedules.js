/** A command's schedules, on its own screen. */
import { toSchedule } from "../base/router.js";
import { html, useState } from "../base/ui.js";
import { may } from "../model/access.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { Waiting } from "../parts/empty.js";
import { showNotice } from "../parts/notice.js";
import { More } from "../runs/run_list.js";
import { changeSchedule, deleteSchedule, listSchedulesOf } from "../server/schedules_api.js";
import { loadPages, pollInterval, usePolling } from "../server/polling.js";
import { cronText } from "../words/schedules.js";
import { t } from "../words/words.js";
import { changedSchedules, NO_SCHEDULES, useReloadWhenDue } from "./due.js";
import { PauseButton } from "./pause.js";
import { NextTimes } from "./preview.js";
import { ScheduleForm } from "./schedule_form.js";

const NEW = "new";

/** @param {{command: import("../model/types.js").Command}} props */
export function CommandSchedules({ command }) {
  const [pages, setPages] = useState(1);
  const [edited, edit] = useState(null);
  const load = (options) => loadPages((page) => listSchedulesOf(command.id, page, options), pages);
  const { value, problem, reload } = usePolling(
    load,
    [command.id, pages],
    () => pollInterval(false),
    changedSchedules((id) => id === command.id),
  );
  useReloadWhenDue(value?.items ?? NO_SCHEDULES, reload);
  const onDone = () => {
    edit(null);
    reload();
  };
  const form = (schedule) =>
    html`<${ScheduleForm} key=${schedule?.id ?? NEW} command=${command} schedule=${schedule} onDone=${onDone}
      onClose=${() => edit(null)} />`;
  if (value?.items.length === 0 && !may(command, "edit") && !command.paused) return null;
  return html`<section class="section">
    <div class="section__head">
      <h2>${t("schedules.title")}</h2>
      <div class="section__actions">
        ${value?.items.length > 0 && !command.paused && html`<${PauseButton} command=${command} />`}
        ${may(command, "edit") &&
        edited !== NEW &&
        html`<${Button} small icon="plus" label=${t("schedule.new")} onClick=${() => edit(NEW)} />`}
      </div>
    </div>
    ${edited === NEW && form()}
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && edited !== NEW && html`<p class="muted">${t("schedules.none.command")}</p>`}
    ${value?.items.length > 0 &&
    html`<ul class="rows">
      ${value.items.map((one) =>
        edited === one.id
          ? html`<li key=${one.id}>${form(one)}</li>`
          : html`<${ScheduleRow} key=${one.id} schedule=${one} onEdit=${() => edit(one.id)} reload=${reload} />`,
      )}
    </ul>`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  </section>`;
}

function ScheduleRow({ schedule, onEdit, reload }) {
  const [asking, setAsking] = useState(false);
  const [turn, turning] = useAction(async () => {
    await changeSchedule(schedule.id, { enabled: !schedule.enabled });
    reload();
  });
  const words = cronText(schedule.cron, schedule.words);
  return html`<li class=${schedule.enabled ? "row schedule-row" : "row schedule-row schedule-row--off"}>
    <div class="schedule-row__what">
      <p class="schedule-row__words">${words}</p>
      <p class="muted"><code>${schedule.cron}</code> · <bdi>${schedule.time_zone}</bdi>${extras(schedule)}</p>
    </div>
    ${schedule.enabled
      ? html`<${NextTimes} times=${schedule.next_times} />`
      : html`<p class="muted">${t("schedule.off")}</p>`}
    <div class="schedule-row__actions">
      <${Button} small label=${t("schedule.why")} href=${"#" + toSchedule(schedule.id)}
        aria-label=${t("schedule.why-of", { words })} />
      ${may(schedule, "edit") &&
      html`<${Button} small label=${t("command.edit")} aria-label=${t("schedule.edit-of", { words })} onClick=${onEdit} />
        <${Button} small kind="quiet" label=${t(schedule.enabled ? "schedule.turn-off" : "schedule.turn-on")}
          aria-label=${t(schedule.enabled ? "schedule.turn-off-of" : "schedule.turn-on-of", { words })}
          disabled=${turning} onClick=${turn} />
        <${Button} small kind="danger-quiet" label=${t("action.delete")}
          aria-label=${t("schedule.delete-of", { words })} onClick=${() => setAsking(true)} />`}
    </div>
    ${asking && html`<${DeleteDialog} schedule=${schedule} reload=${reload} onClose=${() => setAsking(false)} />`}
  </li>`;
}

/** What of a schedule is not as usual. */
function extras({ overlap, missed, jitter_seconds: jitter }) {
  const said = [];
  if (overlap !== "skip") said.push(t(`schedule.overlap.${overlap}`).toLowerCase());
  if (missed !== "skip") said.push(t(`schedule.missed.${missed}`).toLowerCase());
  if (jitter) said.push(t("schedule.jitter.short", { seconds: jitter }));
  return said.map((one) => ` · ${one}`).join("");
}

function DeleteDialog({ schedule, reload, onClose }) {
  const [error, setError] = useState("");
  const [remove, removing] = useAction(async () => {
    try {
      await deleteSchedule(schedule.id);
      showNotice(t("schedule.deleted"));
      onClose();
      reload();
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title=${t("schedule.delete")} action=${t("action.delete")} busy=${removing} error=${error}
    onConfirm=${remove} onClose=${onClose}>
    <p>${cronText(schedule.cron, schedule.words)}. ${t("schedule.delete.about")}</p>
  <//>`;
}
