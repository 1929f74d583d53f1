/** Times and durations that keep themselves true. */
import { serverNow, useTick } from "../clock.js";
import { ago, duration, exactTime, ticking } from "../format.js";
import { elapsed, isActive } from "../runs.js";
import { html } from "../ui.js";

const AGO_TICK_MS = 10_000;
const DURATION_TICK_MS = 1000;

/** How long ago something was; the exact time on hover. @param {{at: string}} props ISO 8601 */
export function Ago({ at }) {
  useTick(AGO_TICK_MS);
  const time = Date.parse(at);
  return html`<time datetime=${at} title=${exactTime(time)}>${ago(time, serverNow())}</time>`;
}

/** How long a run took, or has been going. @param {{run: import("../types.js").Run}} props */
export function Elapsed({ run }) {
  const active = isActive(run);
  useTick(active ? DURATION_TICK_MS : null);
  if (run.state === "queued") return html`<span class="elapsed">waiting</span>`;
  const ms = elapsed(run, serverNow());
  return html`<span class="elapsed">${active ? ticking(ms) : duration(ms)}</span>`;
}
