/** A run's stream: one WebSocket at a time, taken up again at the offset where it broke off. */
import { socketUrl } from "../api.js";
import { backOff, tryAgain } from "../server_state.js";

/**
 * @typedef {import("../types.js").Run} Run
 * @typedef {import("../types.js").OutputFrame} OutputFrame
 * @typedef {{offset: number}|{tail: number}} From
 *
 * @typedef {object} StreamState
 * @property {"connecting"|"live"|"reconnecting"|"held"|"ended"} kind
 * @property {number} [resumedAt] the offset where a stream that had broken off went on
 *
 * @typedef {object} StreamListener
 * @property {(run: Partial<Run>) => void} onRun at first, at each change of state, at the end
 * @property {(frame: OutputFrame) => void} onOutput
 * @property {(state: StreamState) => void} onState
 */

const SILENCE_MS = 5000;

export class RunStream {
  /**
   * @param {string} runId
   * @param {From} from
   * @param {StreamListener} listener
   */
  constructor(runId, from, listener) {
    Object.assign(this, { runId, from, listener, socket: null, failures: 0, timer: 0, broken: false, lastFrameAt: 0 });
    this.retry = () => this.timer && this.#connect();
    tryAgain.addEventListener("now", this.retry);
    this.#connect();
  }

  /** @returns {number|null} the offset to go on from; null: none is known yet */
  get next() {
    return "offset" in this.from ? this.from.offset : null;
  }

  /** Lets go of the stream for as long as its output has no place. */
  hold() {
    this.#disconnect();
    this.#tell({ kind: "held" });
  }

  /** Goes on, after a hold or elsewhere. @param {From} [from] */
  resume(from = this.from) {
    this.#disconnect();
    this.from = from;
    this.broken = false;
    this.#connect();
  }

  close() {
    this.#disconnect();
    tryAgain.removeEventListener("now", this.retry);
  }

  /**
   * Finds a connection that is dead without saying so: the run has more, and nothing comes.
   * @param {Run} run as the server has it now
   */
  compare(run) {
    const behind = this.next !== null && run.output_bytes > this.next;
    if (this.state === "live" && behind && performance.now() - this.lastFrameAt > SILENCE_MS) this.#lost();
  }

  #connect() {
    this.#disconnect();
    this.#tell({ kind: this.broken ? "reconnecting" : "connecting" });
    const socket = new WebSocket(socketUrl(this.runId, this.from));
    this.socket = socket;
    socket.onmessage = (message) => socket === this.socket && this.#take(JSON.parse(message.data));
    socket.onclose = () => socket === this.socket && this.#lost();
  }

  #take(frame) {
    this.lastFrameAt = performance.now();
    this.failures = 0;
    if (this.state !== "live" && frame.type !== "end") this.#tell(this.#liveState());
    if (frame.type === "output") {
      this.from = { offset: frame.next };
      this.listener.onOutput(frame);
    } else if (frame.type === "run") {
      this.listener.onRun(frame.run);
    } else if (frame.type === "end") {
      this.#end(frame);
    }
  }

  #liveState() {
    return this.broken && this.next ? { kind: "live", resumedAt: this.next } : { kind: "live" };
  }

  #end({ type, ...run }) {
    this.#disconnect();
    this.#tell({ kind: "ended" });
    this.listener.onRun(run);
  }

  #lost() {
    this.#disconnect();
    this.broken = true;
    this.failures += 1;
    this.#tell({ kind: "reconnecting" });
    this.timer = setTimeout(() => this.#connect(), backOff(this.failures));
  }

  #disconnect() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.socket) closeQuietly(this.socket);
    this.socket = null;
  }

  #tell(state) {
    this.state = state.kind;
    this.listener.onState(state);
  }
}

/** One that is being opened is closed once it is open: the browser's console warns of less. @param {WebSocket} socket */
function closeQuietly(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
