/** What a sign-in brings in the address: taken out of it, and of the history, as soon as it is seen. */
import { Store } from "./store.js";

const FORM = /^#sign-in(?<failed>-failed)?=(?<value>.*)$/s;

/**
 * @typedef {object} Arrival
 * @property {string} [ticket] of a sign-in link
 * @property {string} [failed] the reason for which a provider's sign-in failed
 */

/** What came and was not yet dealt with. @type {Store<Arrival|null>} */
export const arrival = new Store(null);

/**
 * @param {string} before the hash to go back to where this one is an arrival
 * @returns {string} the address's hash, without what a sign-in brings
 */
export function hashWithoutArrival(before = "") {
  const found = FORM.exec(location.hash)?.groups;
  if (found) {
    history.replaceState(history.state, "", location.pathname + location.search + before);
    arrival.set(found.failed ? { failed: found.value } : { ticket: found.value });
  }
  return location.hash;
}
