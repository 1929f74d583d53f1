/** The stream of an active run: one connection at a time, resumed at the offset where the last one broke off. */
import { checkServer } from "../server/api.js";
import { noteStatus, session } from "../server/session.js";
import { checkSession } from "../server/signing.js";
import { backOff, retryEvents, serverState } from "../server/state.js";
import { FRESH_MS } from "./sign.js";
import { currentTransport, markBlocked, TRANSPORTS } from "./transports.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 * @typedef {import("../model/types.js").OutputFrame} OutputFrame
 * @typedef {import("../server/api.js").Watched} From
 *
 * @typedef {object} StreamState
 * @property {"connecting"|"live"|"reconnecting"|"refused"|"deleted"|"paused"|"loading"|"ended"} kind
 * deleted: the run does not exist any more
 * @property {number} [resumedAt] the offset where a stream that had broken off went on
 * @property {string} [detail] why it is refused
 * @property {boolean} [final] whether it is refused for good: it is not tried again by itself
 * @property {number|null} [heardAt] when the last word came, by performance.now()
 *
 * @typedef {object} StreamListener
 * @property {(run: Partial<Run>) => void} onRun at first, at each change of state, at the end
 * @property {(frame: OutputFrame) => void} onOutput
 * @property {(growth: {next: number, lines: number}) => void} [onGrowth] how far the output is, where no text is asked for
 * @property {(state: StreamState) => void} onState
 * @property {() => boolean} wantsMore whether there is room for more
 * @property {() => void} onAllBlocked every transport that pushes frames is blocked
 */

const CHECK_MS = 1000;
/** After so many failed handshakes in a row, while HTTP works, a proxy is to blame. */
const HANDSHAKES = 2;
const NOBODYS = 401;
const GONE = 404;
const UNAVAILABLE = 503;
/** The server's close codes for a final status are this plus the status: 4404, 4410. */
const CLOSE_FINAL = 4000;
const CLOSE_UNAVAILABLE = 1013;

export class RunStream {
  /**
   * @param {Run} run
   * @param {From} from
   * @param {StreamListener} listener
   */
  constructor(run, from, listener) {
    Object.assign(this, { runId: run.id, from, listener, state: "connecting", heardAt: null, resumedAt: undefined });
    Object.assign(this, {
      disconnect: () => {},
      timer: 0,
      failures: 0,
      handshakes: 0,
      broken: false,
      openedAt: 0,
      final: false,
    });
    Object.assign(this, { last: null, transport: currentTransport.value, settledAt: 0 });
    this.onRetry = () => this.retry();
    retryEvents.addEventListener("now", this.onRetry);
    this.unwatch = serverState.watch(({ kind }) => kind === "unreachable" && this.state === "live" && this.#lost());
    this.ticker = setInterval(() => this.#check(), CHECK_MS);
    this.#connect();
  }

  /** @returns {number|null} the offset to go on from; null: none is known yet */
  get next() {
    return "offset" in this.from ? this.from.offset : null;
  }

  /** @returns {number} the number of the line that the byte at `next` belongs to */
  get line() {
    return this.last ? this.last.line + this.last.text.split("\n").length - 1 : 1;
  }

  /** Closes the stream while there is no room for its output. */
  pause() {
    this.#leave();
    this.#report({ kind: "paused" });
  }

  /** Continues after a pause. */
  resume() {
    if (this.state === "paused") this.restart(this.from);
  }

  /** Goes on elsewhere. @param {From} from */
  restart(from) {
    if (from !== this.from) this.last = null;
    this.from = from;
    this.broken = false;
    this.#report({ kind: "connecting" });
    this.#connect();
  }

  /** Tries now instead of waiting for the next attempt. */
  retry() {
    if (this.timer || this.final) this.#connect();
  }

  /** Nothing to do with the polled run: the stream pushes. */
  compare() {}

  close() {
    this.#leave();
    clearInterval(this.ticker);
    this.unwatch();
    retryEvents.removeEventListener("now", this.onRetry);
  }

  #connect() {
    this.#leave();
    const transport = currentTransport.value;
    if (transport === "ranges") {
      this.listener.onAllBlocked();
      return;
    }
    if (this.broken && this.state !== "refused") this.#report({ kind: "reconnecting" });
    this.openedAt = performance.now();
    this.transport = transport;
    this.disconnect = TRANSPORTS[transport](this.runId, this.from, {
      onFrame: (frame) => this.#take(frame),
      onClose: (how) => this.#closed(how),
    });
  }

  #take(frame) {
    this.heardAt = performance.now();
    if (frame.type === "refused") return this.#refused(frame);
    this.failures = 0;
    this.handshakes = 0;
    if (serverState.value.kind === "unreachable") this.#settle();
    if (frame.type === "end") return this.#end(frame);
    if (this.state !== "live") this.resumedAt = this.broken && this.next ? this.next : undefined;
    if (frame.type === "output") this.#output(frame);
    else if (frame.type === "growth") this.listener.onGrowth(frame);
    else if (frame.type === "run") this.listener.onRun(frame.run);
    return this.#report({ kind: "live", resumedAt: this.resumedAt });
  }

  #output(frame) {
    const { text, max_behind } = this.from;
    this.from = { offset: frame.next, text, max_behind };
    this.last = frame;
    this.listener.onOutput(frame);
  }

  #end({ type, ...run }) {
    this.#leave();
    this.#report({ kind: "ended" });
    this.listener.onRun(run);
  }

  /** The server says why and closes; another attempt can help only where it is unavailable. */
  #refused({ status, detail }) {
    this.#leave();
    this.broken = true;
    noteStatus(status);
    if (status === GONE) return this.#report({ kind: "deleted" });
    this.final = status !== UNAVAILABLE;
    if (!this.final) this.#later();
    return this.#report({ kind: "refused", final: this.final, detail });
  }

  #closed({ opened, code, reason }) {
    if (code > CLOSE_FINAL) this.#refused({ status: code - CLOSE_FINAL, detail: reason });
    else if (code === CLOSE_UNAVAILABLE) this.#refused({ status: UNAVAILABLE, detail: reason });
    else this.#lost(!opened);
  }

  async #lost(unopened = false) {
    this.#leave();
    this.broken = true;
    this.#later();
    if (this.state !== "refused") this.#report({ kind: "reconnecting" });
    if (unopened) await this.#countHandshake(this.transport);
  }

  async #countHandshake(transport) {
    const answers = await checkServer();
    this.handshakes = answers ? this.handshakes + 1 : 0;
    if (answers) await checkSession();
    if (session.value.kind === "ended") {
      this.handshakes = 0;
      if (this.timer) this.#refused({ status: NOBODYS, detail: "" });
      return;
    }
    if (this.handshakes < HANDSHAKES) return;
    this.handshakes = 0;
    markBlocked(transport);
    this.retry();
  }

  /** A frame came from a server that the page calls unreachable: check by a request, at most once a second. */
  #settle() {
    const now = performance.now();
    if (now - this.settledAt < CHECK_MS) return;
    this.settledAt = now;
    checkServer();
  }

  /** Treats silence as a lost connection, of a live stream and of one that does not open. */
  #check() {
    const [since, unopened] = this.state === "live" ? [this.heardAt, false] : [this.openedAt, true];
    const waiting = this.state !== "paused" && this.timer === 0 && this.openedAt > 0;
    if (waiting && performance.now() - since > FRESH_MS) this.#lost(unopened);
  }

  #later() {
    this.failures += 1;
    this.timer = setTimeout(() => this.#connect(), backOff(this.failures));
  }

  #leave() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.openedAt = 0;
    this.final = false;
    this.disconnect();
    this.disconnect = () => {};
  }

  #report(state) {
    this.state = state.kind;
    this.listener.onState({ ...state, heardAt: this.heardAt });
  }
}
