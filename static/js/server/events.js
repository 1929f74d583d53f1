/**
 * What changes of runs and commands, by one WebSocket for the whole page.
 *
 * While it is heard nothing need be polled. Where it cannot be had (a proxy blocks WebSockets, the server is away) the
 * page polls, and looks for it again.
 */
import { Store } from "../base/store.js";
import { apiUrl, checkServer, query } from "./api.js";
import { noteStatus, session } from "./session.js";
import { backOff, retryEvents, serverState } from "./state.js";

/** @typedef {import("../model/types.js").Change} Change */

/** The server says something every 5 s, 6 s at most. */
const SILENCE_MS = 12_000;
const LOOK_MS = 1000;
/** So long the first load of a list waits for the events, so that nothing falls between the two. */
const FIRST_WORD_MS = 1000;
/** After so many handshakes that failed while the server answered, WebSockets are blocked. */
const MOST_REFUSED = 2;
const BLOCKED_MS = 60_000;
const FINAL = 4000;

/** Whether changes are heard now. @type {Store<boolean>} */
export const heard = new Store(false);

/** @type {Set<{onChange: (change: Change) => void, onReset: () => void}>} */
const listeners = new Set();

class Line {
  constructor() {
    Object.assign(this, { socket: null, since: undefined, failures: 0, refused: 0, timer: 0, wordAt: 0 });
    setInterval(() => this.look(), LOOK_MS);
    retryEvents.addEventListener("now", () => this.socket === null && this.open());
    session.watch(({ kind }) => kind === "in" && this.socket === null && this.open());
  }

  open() {
    clearTimeout(this.timer);
    if (this.socket) return;
    const url = new URL(apiUrl("/events" + query({ since: this.since })));
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    this.wordAt = performance.now();
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.lost(opened, code);
  }

  /** @param {Change & {type: string, status?: number}} change */
  hear(change) {
    this.wordAt = performance.now();
    if (change.type === "refused") return;
    Object.assign(this, { failures: 0, refused: 0, since: change.sequence });
    if (change.type === "reset") for (const listener of [...listeners]) listener.onReset();
    else if (change.type !== "alive") for (const listener of [...listeners]) listener.onChange(change);
    if (!heard.value) heard.set(true);
  }

  async lost(opened, code) {
    this.socket = null;
    this.failures += 1;
    if (heard.value) heard.set(false);
    if (code >= FINAL) {
      this.since = undefined; // others are to be seen now, or nobody asks
      noteStatus(code - FINAL);
    }
    if (!opened && serverState.value.kind === "ok" && (await checkServer())) this.refused += 1;
    const pause = this.refused >= MOST_REFUSED ? BLOCKED_MS : backOff(this.failures);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), pause);
  }

  /** A connection over which nothing comes is none. */
  look() {
    if (!this.socket || performance.now() - this.wordAt < SILENCE_MS) return;
    const { socket } = this;
    socket.onmessage = socket.onclose = socket.onopen = null;
    if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket.close();
    this.lost(true, 0);
  }
}

/** @type {Line|null} */
let line = null;

/**
 * Listens to what changes.
 * @param {{onChange: (change: Change) => void, onReset: () => void}} listener onReset: changes may have been missed
 * @returns {() => void} ends it
 */
export function listen(listener) {
  listeners.add(listener);
  if (line === null) (line = new Line()).open();
  return () => listeners.delete(listener);
}

/** @returns {Promise<void>} once changes are heard, or a moment later where they are not */
export function firstWord() {
  if (heard.value || line?.failures > 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, FIRST_WORD_MS);
    const unwatch = heard.watch(done);
    function done() {
      clearTimeout(timer);
      unwatch();
      resolve();
    }
  });
}
