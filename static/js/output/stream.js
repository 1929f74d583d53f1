/** The stream of a run that goes on: one connection at a time, taken up again at the offset where it broke off. */
import { checkServer } from "../server/api.js";
import { backOff, serverState, tryAgain } from "../server/state.js";
import { FRESH_MS } from "./sign.js";
import { notPassing, passing, WAYS } from "./transports.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 * @typedef {import("../model/types.js").OutputFrame} OutputFrame
 * @typedef {{offset: number}|{tail: number}} From
 *
 * @typedef {object} StreamState
 * @property {"connecting"|"live"|"reconnecting"|"refused"|"gone"|"held"|"loading"|"ended"} kind
 * gone: the run was deleted
 * @property {number} [resumedAt] the offset where a stream that had broken off went on
 * @property {string} [detail] why it is refused
 * @property {boolean} [final] whether it is refused for good: it is not tried again by itself
 * @property {number|null} [heardAt] when the last word came, by performance.now()
 *
 * @typedef {object} StreamListener
 * @property {(run: Partial<Run>) => void} onRun at first, at each change of state, at the end
 * @property {(frame: OutputFrame) => void} onOutput
 * @property {(state: StreamState) => void} onState
 * @property {() => boolean} hungry whether there is room for more
 * @property {() => void} onNoWay no way passes by which frames are pushed
 */

const CHECK_MS = 1000;
/** So many handshakes in a row, while HTTP answered: it is a proxy, and no accident. */
const HANDSHAKES = 2;
const GONE = 404;
const UNAVAILABLE = 503;
/** A close code of the server's for a status that is final: 4404, 4410. */
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
    Object.assign(this, { disconnect: () => {}, timer: 0, failures: 0, handshakes: 0, broken: false, openedAt: 0, final: false });
    Object.assign(this, { last: null, way: passing.value, settledAt: 0 });
    this.onTryAgain = () => this.retry();
    tryAgain.addEventListener("now", this.onTryAgain);
    this.unwatch = serverState.watch(({ kind }) => kind === "lost" && this.state === "live" && this.#lost());
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

  /** Lets go of the stream for as long as its output has no place. */
  hold() {
    this.#leave();
    this.#tell({ kind: "held" });
  }

  /** Goes on after a hold. */
  goOn() {
    if (this.state === "held") this.resume(this.from);
  }

  /** Goes on elsewhere. @param {From} from */
  resume(from) {
    if (from !== this.from) this.last = null;
    this.from = from;
    this.broken = false;
    this.#tell({ kind: "connecting" });
    this.#connect();
  }

  /** Does not wait for the next try. */
  retry() {
    if (this.timer || this.final) this.#connect();
  }

  /** What the server has of the run now is not needed: it pushes. */
  compare() {}

  close() {
    this.#leave();
    clearInterval(this.ticker);
    this.unwatch();
    tryAgain.removeEventListener("now", this.onTryAgain);
  }

  #connect() {
    this.#leave();
    const way = passing.value;
    if (way === "ranges") return this.listener.onNoWay();
    if (this.broken && this.state !== "refused") this.#tell({ kind: "reconnecting" });
    this.openedAt = performance.now();
    this.way = way;
    return this.#open(way);
  }

  #open(way) {
    this.disconnect = WAYS[way](this.runId, this.from, {
      onFrame: (frame) => this.#take(frame),
      onClose: (how) => this.#closed(how),
    });
  }

  #take(frame) {
    this.heardAt = performance.now();
    if (frame.type === "refused") return this.#refused(frame);
    this.failures = 0;
    this.handshakes = 0;
    if (serverState.value.kind === "lost") this.#settle();
    if (frame.type === "end") return this.#end(frame);
    if (this.state !== "live") this.resumedAt = this.broken && this.next ? this.next : undefined;
    if (frame.type === "output") this.#output(frame);
    else if (frame.type === "run") this.listener.onRun(frame.run);
    return this.#tell({ kind: "live", resumedAt: this.resumedAt });
  }

  #output(frame) {
    this.from = { offset: frame.next };
    this.last = frame;
    this.listener.onOutput(frame);
  }

  #end({ type, ...run }) {
    this.#leave();
    this.#tell({ kind: "ended" });
    this.listener.onRun(run);
  }

  /** The server says why, and closes: only where it is unavailable another try may help. */
  #refused({ status, detail }) {
    this.#leave();
    this.broken = true;
    if (status === GONE) return this.#tell({ kind: "gone" });
    this.final = status !== UNAVAILABLE;
    if (!this.final) this.#later();
    return this.#tell({ kind: "refused", final: this.final, detail });
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
    if (this.state !== "refused") this.#tell({ kind: "reconnecting" });
    if (unopened) await this.#countHandshake(this.way);
  }

  async #countHandshake(way) {
    this.handshakes = (await checkServer()) ? this.handshakes + 1 : 0;
    if (this.handshakes < HANDSHAKES) return;
    this.handshakes = 0;
    notPassing(way);
    this.retry();
  }

  /** A word came from a server that is said not to answer: requests decide, one a second. */
  #settle() {
    const now = performance.now();
    if (now - this.settledAt < CHECK_MS) return;
    this.settledAt = now;
    checkServer();
  }

  /** Silence is a loss: of a stream that was live, and of one that does not come to be. */
  #check() {
    const [since, unopened] = this.state === "live" ? [this.heardAt, false] : [this.openedAt, true];
    const waiting = this.state !== "held" && this.timer === 0 && this.openedAt > 0;
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

  #tell(state) {
    this.state = state.kind;
    this.listener.onState({ ...state, heardAt: this.heardAt });
  }
}
