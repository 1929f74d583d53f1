/** Whether the server and its database answer: the only source for the banner and for the state of every stream. */
import { Store } from "../base/store.js";

/**
 * @typedef {object} ServerState
 * @property {"ok"|"unreachable"|"degraded"} kind degraded: it answers, but with an error or late
 * @property {string} [detail] the server's own sentence
 */

/** @type {Store<ServerState>} */
export const serverState = new Store({ kind: "ok" });

/** Fires "now" when somebody asks for another try at once, or the network comes back. */
export const retryEvents = new EventTarget();

/** @param {ServerState} state */
export function reportServer(state) {
  const before = serverState.value;
  if (before.kind !== state.kind || before.detail !== state.detail) serverState.set(state);
}

/** Makes everything that waits for the server try at once. */
export function retryNow() {
  retryEvents.dispatchEvent(new Event("now"));
}

addEventListener("online", retryNow);

/**
 * How long to wait before the next attempt: doubling up to a limit, with jitter so that
 * many pages do not return at once.
 * @param {number} failures tries that failed so far, from 1
 * @returns {number} milliseconds
 */
export function backOff(failures) {
  const longest = Math.min(15_000, 500 * 2 ** (failures - 1));
  return longest * (0.75 + Math.random() / 4);
}
