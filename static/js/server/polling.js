/** Values from the server, polled while somebody looks. */
import { useEffect, useRef, useState } from "../base/ui.js";
import { backOff, retryEvents } from "./state.js";

/**
 * @template T
 * @typedef {object} Polled
 * @property {T|undefined} value the newest that was loaded; kept when a later load fails
 * @property {import("./answers.js").Problem|null} problem of the last try
 * @property {() => void} reload now
 */

/**
 * Loads, and loads again: sooner after a change is likely, later when loading fails, never in a hidden tab.
 *
 * @template T
 * @param {(options: {signal: AbortSignal}) => Promise<T>} load
 * @param {unknown[]} inputs what `load` depends on; when they change the value starts anew
 * @param {(value: T) => number|null} pause milliseconds until the next load; null: no more
 * @returns {Polled<T>}
 */
export function usePolling(load, inputs, pause) {
  const [state, setState] = useState({ value: undefined, problem: null, inputs });
  const reload = useRef(() => {});
  useEffect(() => {
    const loop = new Poller(load, pause, (change) => setState((now) => ({ ...pick(now, inputs), ...change, inputs })));
    reload.current = () => loop.now();
    return () => loop.end();
  }, inputs);
  return { ...pick(state, inputs), reload: () => reload.current() };
}

/** What was loaded for other inputs is not shown for these. */
function pick(state, inputs) {
  const same = state.inputs.every((input, i) => Object.is(input, inputs[i]));
  return same ? { value: state.value, problem: state.problem } : { value: undefined, problem: null };
}

class Poller {
  constructor(load, pause, tell) {
    Object.assign(this, { load, pause, tell, failures: 0, timer: 0, abort: new AbortController() });
    this.awake = () => document.visibilityState === "visible" && this.now();
    document.addEventListener("visibilitychange", this.awake);
    retryEvents.addEventListener("now", this.awake);
    this.now();
  }

  async now() {
    clearTimeout(this.timer);
    this.abort.abort();
    const { signal } = (this.abort = new AbortController());
    try {
      const value = await this.load({ signal });
      if (signal.aborted) return;
      this.failures = 0;
      this.tell({ value, problem: null });
      this.later(this.pause(value));
    } catch (problem) {
      if (signal.aborted) return;
      this.failures += 1;
      this.tell({ problem });
      if (!problem.final) this.later(Math.max(backOff(this.failures), (problem.retryAfterSeconds ?? 0) * 1000));
    }
  }

  later(ms) {
    if (ms === null) return;
    this.timer = setTimeout(() => (document.hidden ? this.later(ms) : this.now()), ms);
  }

  end() {
    clearTimeout(this.timer);
    this.abort.abort();
    document.removeEventListener("visibilitychange", this.awake);
    retryEvents.removeEventListener("now", this.awake);
  }
}

/**
 * Keeps the last value until the next one is loaded, so that a search does not flicker.
 * @template T
 * @param {T|undefined} value
 * @param {T|undefined} before what was shown when the screen was left
 * @returns {T|undefined}
 */
export function useLast(value, before) {
  const last = useRef(before);
  if (value) last.current = value;
  return last.current;
}

const ACTIVE_MS = 1500;
const IDLE_MS = 4000;

/**
 * The usual pause: short while something is going on.
 * @param {boolean} active
 * @returns {number} milliseconds
 */
export const pollInterval = (active) => (active ? ACTIVE_MS : IDLE_MS);

const PAGE_ITEMS = 50;
const MOST_ITEMS = 500; // that the server gives at a time

/**
 * Loads the first pages of a list as one, with as few requests as may be.
 * @template T
 * @param {(page: {cursor: string|null, limit: number}) => Promise<{items: T[], next: string|null}>} loadPage
 * @param {number} pages
 * @returns {Promise<{items: T[], next: string|null}>}
 */
export async function loadPages(loadPage, pages) {
  const items = [];
  let cursor = null;
  do {
    const limit = Math.min(MOST_ITEMS, pages * PAGE_ITEMS - items.length);
    const answer = await loadPage({ cursor, limit });
    items.push(...answer.items);
    cursor = answer.next;
  } while (cursor && items.length < pages * PAGE_ITEMS);
  return { items, next: cursor };
}
