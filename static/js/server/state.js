/** Whether the server answers, and its database: the one truth that the banner and every sign of a stream go by. */
import { Store } from "../base/store.js";

/**
 * @typedef {object} ServerState
 * @property {"well"|"lost"|"busy"} kind busy: it answers, but 503, or late
 * @property {string} [detail] the server's own words
 */

/** @type {Store<ServerState>} */
export const serverState = new Store({ kind: "well" });

/** Rings when somebody asks to try again now, or the network comes back. */
export const tryAgain = new EventTarget();

/** @param {ServerState} state */
export function reportServer(state) {
  const before = serverState.value;
  if (before.kind !== state.kind || before.detail !== state.detail) serverState.set(state);
}

/** Makes everything that waits for the server try at once. */
export function tryNow() {
  tryAgain.dispatchEvent(new Event("now"));
}

addEventListener("online", tryNow);

/**
 * How long to wait before a try: doubling up to a bound, with jitter so that many pages do not return at once.
 * @param {number} failures tries that failed so far, from 1
 * @returns {number} milliseconds
 */
export function backOff(failures) {
  const longest = Math.min(15_000, 500 * 2 ** (failures - 1));
  return longest * (0.75 + Math.random() / 4);
}
