/** Times and durations that update themselves. */
import { html } from "../base/ui.js";
import { elapsed, isActive } from "../model/run.js";
import { serverNow, useTick } from "../server/clock.js";
import { ago, ahead, duration, exactTime, shortTime, ticking } from "../words/format.js";
import { t } from "../words/words.js";

const AGO_TICK_MS = 10_000;
const DURATION_TICK_MS = 1000;

/** How long ago something was; the exact time on hover. @param {{at: string}} props ISO 8601 */
export function Ago({ at }) {
  useTick(AGO_TICK_MS);
  const time = Date.parse(at);
  return html`<time datetime=${at} title=${exactTime(time)}>${ago(time, serverNow())}</time>`;
}

/** In how long something will be; the exact time on hover. @param {{at: string}} props ISO 8601 */
export function Ahead({ at }) {
  useTick(AGO_TICK_MS);
  const time = Date.parse(at);
  return html`<time datetime=${at} title=${exactTime(time)}>${ahead(time, serverNow())}</time>`;
}

/** When something was, to the second. @param {{at: string}} props ISO 8601 */
export function Moment({ at }) {
  const time = Date.parse(at);
  return html`<time datetime=${at} title=${exactTime(time)}>${shortTime(time)}</time>`;
}

/** How long a run took, has been going, or waits. @param {{run: import("../model/types.js").Run}} props */
export function Elapsed({ run }) {
  const active = isActive(run);
  useTick(active ? DURATION_TICK_MS : null);
  const ms = elapsed(run, serverNow());
  const time = active ? ticking(ms) : duration(ms);
  const text = run.state === "queued" ? t("elapsed.waiting", { time }) : time;
  return html`<span class="elapsed" title=${exactly(run)}>${text}</span>`;
}

/** @param {import("../model/types.js").Run} run @returns {string} when it began and ended, to the second */
function exactly(run) {
  const at = (time) => exactTime(Date.parse(time));
  if (run.state === "queued") return t("elapsed.queued", { at: at(run.created_at) });
  if (!run.end_time) return t("elapsed.started", { at: at(run.start_time) });
  return t("elapsed.ended", { at: at(run.start_time), end: at(run.end_time) });
}
