/** Who was told of a run, who is to be, and who could not be. */
import { html } from "../base/ui.js";
import { isAboutToBeTold, mayBeTold } from "../model/following.js";
import { isActive } from "../model/run.js";
import { Ago, Ahead } from "../parts/time.js";
import { serverNow } from "../server/clock.js";
import { listNotifications } from "../server/notifications_api.js";
import { pollInterval, usePolling } from "../server/polling.js";
import { howMany, occasionLabel } from "../words/notifications.js";
import { phrase, t } from "../words/words.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 * @typedef {import("../model/types.js").Command} Command
 * @typedef {import("../model/types.js").Notification} Notification
 */

/** Of one run. */
const MOST = 100;
const ACTIVE_MS = 30_000;

/** @param {{run: Run, command: Command|undefined}} props */
export const Told = ({ run, command }) =>
  mayBeTold(run, command) && html`<${Notifications} run=${run} command=${command} />`;

function Notifications({ run, command }) {
  const load = (options) => listNotifications({ run_id: run.id, limit: MOST }, options);
  const pause = ({ items }) => {
    if (items.some(({ state }) => state === "waiting")) return pollInterval(false);
    if (isActive(run)) return ACTIVE_MS;
    return items.length === 0 && isAboutToBeTold(run, command, serverNow()) ? pollInterval(true) : null;
  };
  const { value } = usePolling(load, [run.id, run.state], pause);
  if (!value?.items.length) return null;
  return html`<details class="told">
    <summary>${howMany(value.items)}</summary>
    <ul>${value.items.map((each) => html`<${Row} key=${each.id} notification=${each} />`)}</ul>
  </details>`;
}

/** @param {{notification: Notification}} props */
function Row({ notification }) {
  const { target, occasion, state, last_error: error } = notification;
  return html`<li class=${`told__row told__row--${state}`}>
    <strong><bdi>${target}</bdi></strong> <span class="muted">${occasionLabel(occasion)}</span>
    <span class="told__state">${stateOf(notification)}</span>
    ${error && state !== "delivered" && html`<bdi class="told__error">${error}</bdi>`}
  </li>`;
}

/** @param {Notification} notification */
function stateOf({ state, attempts, next_try_at: next, delivered_at: delivered, given_up_at: given }) {
  if (state === "delivered") return phrase("told.delivered", { count: attempts, ago: html`<${Ago} at=${delivered} />` });
  if (state === "given_up") return phrase("told.given-up", { count: attempts, ago: html`<${Ago} at=${given} />` });
  if (attempts === 0) return t("told.waiting");
  return phrase("told.again", { count: attempts, ahead: html`<${Ahead} at=${next ?? new Date().toISOString()} />` });
}
