/** A run being watched: where its output comes from, its viewer, and how each waits for the other. */
import { isActive } from "../model/run.js";
import { RangeSource } from "./ranges.js";
import { WATCH_START } from "./start.js";
import { RunStream } from "./stream.js";
import { currentTransport } from "./transports.js";
import { OutputViewer } from "./viewer.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 *
 * @typedef {object} WatchState
 * @property {import("./stream.js").StreamState} stream
 * @property {import("./viewer.js").ViewerState} viewer
 * @property {number} next the offset up to which output has come
 */

/** Output up to this size is shown from its start; of larger output, the end. */
const WHOLE_BYTES = 1_000_000;
/** Up to this many lines of a finished run are all kept: about 100 MB of the browser's memory. */
const WHOLE_LINES = 100_000;
const TAIL_LINES = 2000;
const FAR_BYTES = 4_000_000;
const REPORT_MS = 250;
const SETTLED_MS = 4000; // browsers allow copying only so long after a user's action
const START = { offset: 0, line: 1 };
const STREAMED = "utf-8";
/** States in which no stream reports the run's end, so that the output is read in parts once it has ended. */
const UNREPORTED = new Set(["connecting", "reconnecting", "refused"]);

/** @param {Run} run @returns {boolean} whether all of its output is shown */
const isWhole = (run) => run.output_bytes <= WHOLE_BYTES && (isActive(run) || run.output_lines <= WHOLE_LINES);

export class RunWatch {
  /**
   * @param {Run} run
   * @param {HTMLElement} scroller
   * @param {HTMLElement} host
   * @param {string} encoding a label of the Encoding Standard
   * @param {{onState: (state: WatchState) => void, onRun: (run: object) => void}} listener
   */
  constructor(run, scroller, host, encoding, listener) {
    Object.assign(this, { run, encoding, listener, state: { ...WATCH_START }, reportTimer: 0 });
    this.viewer = new OutputViewer(scroller, host, {
      onChange: (viewer) => this.#viewerChanged(viewer),
      onFull: () => this.source.pause(),
    });
    this.#begin(isWhole(run) ? START : "tail");
  }

  /** The run as the server has it now. @param {Run} run */
  compare(run) {
    const ended = isActive(this.run) && !isActive(run);
    this.run = run;
    this.source.compare(run);
    if (!ended) return;
    if (UNREPORTED.has(this.source.state)) this.#ask();
    this.#showWhole();
  }

  stopFollowing() {
    this.viewer.follow(false);
  }

  /** Follows the end; when it is far ahead of what is shown, goes there without what lies between. */
  follow() {
    const behind = this.run.output_bytes - this.state.next;
    if (this.state.viewer.full && behind > FAR_BYTES) this.#restart("tail", true);
    else {
      this.viewer.follow(true);
      this.source.resume();
    }
  }

  fromStart() {
    this.#restart(START, false);
  }

  /** Tries now instead of waiting for the next attempt. */
  retry() {
    this.source.retry();
  }

  /** @param {import("./scroll.js").Place} place */
  goTo(place) {
    this.viewer.goTo(place);
  }

  more() {
    this.viewer.makeRoom();
  }

  /** @returns {Promise<string>} what is shown, as plain text, once all is there */
  async text() {
    const until = performance.now() + SETTLED_MS;
    while (!this.#arrived && performance.now() < until) await new Promise(requestAnimationFrame);
    this.viewer.flush();
    return this.viewer.text();
  }

  dispose() {
    clearTimeout(this.reportTimer);
    this.source.close();
    this.viewer.dispose();
  }

  get #arrived() {
    const { stream, viewer } = this.state;
    return viewer.full || (stream.kind !== "loading" && stream.kind !== "connecting");
  }

  /** @param {import("./ranges.js").Place} place */
  #begin(place) {
    const frames = isActive(this.run) && currentTransport.value !== "ranges";
    const streamed = frames && (this.encoding === STREAMED || place === "tail");
    this.viewer.lossless = !isActive(this.run);
    this.viewer.bound(!isActive(this.run) && isWhole(this.run));
    const listener = {
      onRun: (run) => this.listener.onRun(run),
      onState: (stream) => this.#change({ stream }),
      onOutput: (frame) => this.#take(frame),
      wantsMore: () => this.viewer.wantsMore,
      onAllBlocked: () => this.#ask(),
    };
    this.source?.close();
    this.source = streamed
      ? new RunStream(this.run, place === "tail" ? { tail: TAIL_LINES } : { offset: place.offset }, listener)
      : new RangeSource(this.run, place, this.encoding, listener);
  }

  #take(frame) {
    if (this.source instanceof RunStream && this.encoding !== STREAMED) {
      // While the run writes, only a frame says which line an offset is in.
      this.#begin({ offset: frame.offset, line: frame.line });
      return;
    }
    this.state.next = frame.next;
    this.viewer.append(frame);
  }

  /** No transport delivers frames: read the output in parts, from where the frames ended. */
  #ask() {
    const { next, line } = this.source;
    this.#begin(next === null ? "tail" : { offset: next, line });
  }

  #restart(place, following) {
    this.viewer.restart({ following });
    this.#begin(place);
  }

  /** Nothing of a finished run is left out because it wrote too fast. */
  #showWhole() {
    const { following, cut } = this.state.viewer;
    if (following && cut && isWhole(this.run)) this.#restart(START, true);
  }

  #viewerChanged(viewer) {
    if (viewer.wantsMore && !viewer.full) this.source?.resume();
    this.#change({ viewer });
  }

  /** Reports counts a few times a second, everything else at once. */
  #change(change) {
    const before = keyOf(this.state);
    this.state = { ...this.state, ...change };
    if (keyOf(this.state) !== before) this.#report();
    else this.reportTimer ||= setTimeout(() => this.#report(), REPORT_MS);
  }

  #report() {
    clearTimeout(this.reportTimer);
    this.reportTimer = 0;
    this.listener.onState(this.state);
  }
}

const keyOf = ({ stream, viewer }) =>
  [
    ...[stream.kind, stream.resumedAt, stream.detail, stream.final],
    ...[viewer.following, viewer.full, viewer.empty, viewer.allShown, viewer.cut],
  ].join();
