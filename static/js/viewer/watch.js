/** A run being watched: its stream and its viewer, and how each waits for the other. */
import { RunStream } from "./stream.js";
import { OutputViewer } from "./viewer.js";

/**
 * @typedef {object} WatchState
 * @property {import("./stream.js").StreamState} stream
 * @property {import("./viewer.js").ViewerState} viewer
 * @property {number} next the offset up to which output has come
 */

/** Output up to this size is shown from its start; of more, the end. */
const WHOLE_BYTES = 1_000_000;
const TAIL_LINES = 2000;
const FAR_BYTES = 4_000_000;
const TELL_MS = 250;

/** @type {WatchState} */
export const WATCH_START = {
  stream: { kind: "connecting" },
  viewer: { following: true, full: false, empty: true, drained: true, hungry: true, cut: false, firstLine: null },
  next: 0,
};

export class RunWatch {
  /**
   * @param {import("../types.js").Run} run
   * @param {HTMLElement} scroller
   * @param {HTMLElement} host
   * @param {{onState: (state: WatchState) => void, onRun: (run: object) => void}} listener
   */
  constructor(run, scroller, host, listener) {
    this.listener = listener;
    this.bytes = run.output_bytes;
    this.state = { ...WATCH_START };
    this.tellTimer = 0;
    this.viewer = new OutputViewer(scroller, host, {
      onChange: (viewer) => this.#viewerChanged(viewer),
      onFull: () => this.stream.hold(),
    });
    this.stream = new RunStream(run.id, run.output_bytes <= WHOLE_BYTES ? { offset: 0 } : { tail: TAIL_LINES }, {
      onRun: listener.onRun,
      onState: (stream) => this.#change({ stream }),
      onOutput: (frame) => {
        this.state.next = frame.next;
        this.viewer.append(frame);
      },
    });
  }

  /** The run as the server has it now. @param {import("../types.js").Run} run */
  compare(run) {
    this.bytes = run.output_bytes;
    this.stream.compare(run);
  }

  pause() {
    this.viewer.follow(false);
  }

  /** Follows the end; when it is far ahead of what is shown, goes there without what lies between. */
  follow() {
    const behind = this.bytes - this.state.next;
    if (this.stream.state === "held" && behind > FAR_BYTES) this.#restart({ tail: TAIL_LINES }, true);
    else {
      this.viewer.follow(true);
      this.#goOn();
    }
  }

  fromStart() {
    this.#restart({ offset: 0 }, false);
  }

  /** @param {import("./scroll.js").Place} place */
  goTo(place) {
    this.viewer.goTo(place);
  }

  more() {
    this.viewer.makeRoom();
  }

  text() {
    return this.viewer.text();
  }

  dispose() {
    clearTimeout(this.tellTimer);
    this.stream.close();
    this.viewer.dispose();
  }

  #restart(from, following) {
    this.viewer.restart({ following });
    this.stream.resume(from);
  }

  #goOn() {
    if (this.stream.state === "held") this.stream.resume();
  }

  #viewerChanged(viewer) {
    if (viewer.hungry && !viewer.full) this.#goOn();
    this.#change({ viewer });
  }

  /** Numbers are told a few times a second, all else at once. */
  #change(change) {
    const before = keyOf(this.state);
    this.state = { ...this.state, ...change };
    if (keyOf(this.state) !== before) this.#tell();
    else this.tellTimer ||= setTimeout(() => this.#tell(), TELL_MS);
  }

  #tell() {
    clearTimeout(this.tellTimer);
    this.tellTimer = 0;
    this.listener.onState(this.state);
  }
}

const keyOf = ({ stream, viewer }) =>
  [stream.kind, stream.resumedAt, viewer.following, viewer.full, viewer.empty, viewer.drained, viewer.cut].join();
