/** Values from the server, polled while somebody looks. */
import { useEffect, useRef, useState } from "../base/ui.js";
import { GONE, RELOAD } from "../model/changes.js";
import { Problem } from "./answers.js";
import { firstWord, heard, listen } from "./events.js";
import { backOff, retryEvents } from "./state.js";

/** @typedef {import("../model/types.js").Change} Change */

/**
 * @template T
 * @typedef {object} Polled
 * @property {T|undefined} value the newest that was loaded; kept when a later load fails
 * @property {import("./answers.js").Problem|null} problem of the last try
 * @property {() => void} reload now
 */

/**
 * Loads, and loads again: sooner after a change is likely, later when loading fails, never in a hidden tab. With
 * `apply` it is loaded once, and changed by what the events tell, for as long as they are heard.
 *
 * @template T
 * @param {(options: {signal: AbortSignal}) => Promise<T>} load
 * @param {unknown[]} inputs what `load` depends on; when they change the value starts anew
 * @param {(value: T) => number|null} pause milliseconds until the next load; null: no more
 * @param {(value: T, change: Change) => T|typeof RELOAD|typeof GONE} [apply] what a change makes of the value
 * @returns {Polled<T>}
 */
export function usePolling(load, inputs, pause, apply) {
  const [state, setState] = useState({ value: undefined, problem: null, inputs });
  const reload = useRef(() => {});
  useEffect(() => {
    const tell = (change) => setState((now) => ({ ...pick(now, inputs), ...change, inputs }));
    const loop = apply ? new Follower(load, pause, tell, apply) : new Poller(load, pause, tell);
    loop.begin();
    reload.current = () => loop.now();
    return () => loop.end();
  }, inputs);
  return { ...pick(state, inputs), reload: () => reload.current() };
}

const NOT_FOUND = 404;
/** However many changes ask for it, a value is not loaded again more often. */
const AGAIN_MS = 1000;

/** What was loaded for other inputs is not shown for these. */
function pick(state, inputs) {
  const same = state.inputs.every((input, i) => Object.is(input, inputs[i]));
  return same ? { value: state.value, problem: state.problem } : { value: undefined, problem: null };
}

class Poller {
  constructor(load, pause, tell) {
    Object.assign(this, { load, pause, tell, failures: 0, timer: 0, abort: new AbortController() });
    this.awake = () => document.visibilityState === "visible" && this.now();
    this.shown = () => this.awake();
    document.addEventListener("visibilitychange", this.shown);
    retryEvents.addEventListener("now", this.awake);
  }

  begin() {
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
      this.loaded(value);
    } catch (problem) {
      if (signal.aborted) return;
      this.failures += 1;
      this.failed(problem);
    }
  }

  failed(problem) {
    this.tell({ problem });
    if (!problem.final) this.later(Math.max(backOff(this.failures), (problem.retryAfterSeconds ?? 0) * 1000));
  }

  loaded(value) {
    this.tell({ value, problem: null });
    this.later(this.pause(value));
  }

  later(ms) {
    clearTimeout(this.timer);
    if (ms === null) return;
    this.timer = setTimeout(() => (document.hidden ? this.later(ms) : this.now()), ms);
  }

  end() {
    clearTimeout(this.timer);
    this.abort.abort();
    document.removeEventListener("visibilitychange", this.shown);
    retryEvents.removeEventListener("now", this.awake);
  }
}

/** Loads once, and then makes of the value what the events tell; polls while they are not heard. */
class Follower extends Poller {
  constructor(load, pause, tell, apply) {
    super(load, pause, tell);
    Object.assign(this, { apply, value: undefined, since: null, begun: false, ended: false, begunAt: 0, due: false });
    this.shown = () => heard.value || this.awake();
    this.unlisten = listen({ onChange: (change) => this.change(change), onReset: () => this.begun && this.now() });
    this.unwatch = heard.watch((is) => this.begun && this.turn(is));
  }

  /** Nothing that changes after the load is missed, as the events are heard before it. */
  async begin() {
    await firstWord();
    if (this.ended) return;
    this.begun = true;
    this.now();
  }

  /** Once changes are heard again, a reset has come with it where any was missed. */
  turn(isHeard) {
    if (!isHeard) document.hidden ? this.later(backOff(1)) : this.now();
    else if (this.failures === 0 && !this.due) clearTimeout(this.timer);
  }

  now() {
    Object.assign(this, { since: [], begunAt: performance.now(), due: false });
    return super.now();
  }

  failed(problem) {
    this.since = null;
    super.failed(problem);
  }

  /** What came while it was loaded may be newer than what was loaded. */
  loaded(value) {
    this.value = value;
    const told = this.since;
    this.since = null;
    for (const change of told) if (!this.take(change)) return;
    this.tell({ value: this.value, problem: null });
    if (!heard.value) this.later(this.pause(this.value));
  }

  change(change) {
    const before = this.value;
    if (this.since) this.since.push(change);
    else if (before !== undefined && this.take(change) && this.value !== before) this.tell({ value: this.value });
  }

  /** @returns {boolean} false: it is loaded again */
  take(change) {
    const value = this.apply(this.value, change);
    if (value === RELOAD) return this.again();
    if (value === GONE) this.failed(new Problem("", { status: NOT_FOUND }));
    else this.value = value;
    return value !== GONE;
  }

  /** Loads it again, soon. @returns {boolean} whether what is there is shown until then */
  again() {
    const wait = this.begunAt + AGAIN_MS - performance.now();
    if (wait <= 0) {
      this.now();
      return false;
    }
    this.due = true;
    this.later(wait);
    return true;
  }

  end() {
    this.ended = true;
    this.unlisten();
    this.unwatch();
    super.end();
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
