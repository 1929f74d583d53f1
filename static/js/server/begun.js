/**
 * Requests that are begun before the modules are there that need them, and taken by those.
 *
 * Each is taken once: whoever asks again wants what is by then.
 */

/** What nobody has taken by then is let go: it would keep a connection. */
const KEPT_MS = 20_000;

/** @type {Map<string, {answer: Promise<Response>, abort: AbortController}>} by their addresses */
const begun = new Map();

/**
 * @param {string} url
 * @returns {Promise<Response>} to be cloned by whoever looks into it
 */
export function begin(url) {
  const abort = new AbortController();
  const init = { headers: { Accept: "application/json" }, redirect: "manual", signal: abort.signal };
  const answer = fetch(url, /** @type {RequestInit} */ (init));
  answer.catch(() => {}); // whoever takes it hears of that
  begun.set(url, { answer, abort });
  setTimeout(() => begun.delete(url) && abort.abort(), KEPT_MS);
  return answer;
}

/** @param {string} url @returns {boolean} */
export const isBegun = (url) => begun.has(url);

/**
 * @param {string} url
 * @param {RequestInit} init of a request that would be made now
 * @returns {Promise<Response>|undefined} undefined: none like it was begun
 */
export function takeBegun(url, { method = "GET", headers, signal }) {
  const found = begun.get(url);
  if (!found || method !== "GET" || new Headers(headers).has("Range")) return undefined;
  begun.delete(url);
  const leave = () => found.abort.abort(signal.reason);
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave);
  return found.answer;
}
