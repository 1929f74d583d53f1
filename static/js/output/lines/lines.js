/**
 * The lines of a run's output, as a window shows them: how many there are, the ones that were read, and the live end.
 *
 * While the run goes on, a stream tells how far the output is, and while somebody follows it, its last lines. All else
 * is read over HTTP when it is looked at. Nothing waits to be shown, and what is kept is bounded.
 */
import { isActive } from "../../model/run.js";
import { RunStream } from "../stream.js";
import { currentTransport } from "../transports.js";
import { Blocks } from "./blocks.js";
import { Debt } from "./debt.js";
import { Tail, TAIL_LINES } from "./tail.js";
import { Whole, WHOLE_BYTES, WHOLE_LINES } from "./whole.js";

/**
 * @typedef {import("../../model/types.js").Run} Run
 * @typedef {import("../stream.js").StreamState} StreamState
 *
 * @typedef {object} LinesState all that the sign tells of
 * @property {StreamState["kind"]} kind
 * @property {number|null} heardAt when the last word came, by performance.now(); null: none has
 * @property {string} [detail] why it is refused
 * @property {boolean} [final] it is not tried again by itself
 * @property {number} [resumedAt]
 * @property {boolean} following
 * @property {number} next up to where the output is known
 * @property {number} size of the output, in bytes, as far as is known
 * @property {number|null} lateFrom from when on what was written is shown too late, by performance.now(); null: all is
 * @property {number} lineCount
 *
 * @typedef {object} LinesListener
 * @property {() => void} [onChange] rows, or their count, are others now
 * @property {() => void} [onGrowth] `lineCount`, `size` or `next` has grown
 * @property {(run: Partial<Run>) => void} onRun news of the run
 * @property {(state: LinesState) => void} onState
 */

const STREAMED = "utf-8";
const UTF16 = "utf-16le";
const TAIL_BYTES = 256 * 1024;
/** A viewer that is further behind goes on at the end. */
const MAX_BEHIND = 256 * 1024;
/** Somebody who scrolls up for a moment keeps the stream. */
const LEAVE_MS = 1000;
/** Where nothing is pushed. */
const POLL_MS = 1000;
const REPORT_MS = 250;
/** Of a refusal by the server, as in a `refused` frame. */
const GONE = 404;
/** States of a stream in which it does not tell that the run has ended. */
const UNREPORTED = new Set(["connecting", "reconnecting", "refused"]);

export class Lines {
  /**
   * @param {Run} run
   * @param {string} encoding a label of the Encoding Standard
   * @param {LinesListener} listener
   * @param {{as?: "written"|"terminal"}} [options]
   */
  constructor(run, encoding, listener, { as = "terminal" } = {}) {
    Object.assign(this, { run, encoding, listener, as, onChange: () => {}, isFollowing: true, closed: false });
    Object.assign(this, { next: 0, size: run.output_bytes, total: 0, stream: null, mode: null, endedAt: null });
    Object.assign(this, { leaving: 0, polling: 0, reporting: 0, told: "", debt: new Debt(), problem: null });
    /** @type {StreamState} */
    this.streamed = { kind: isActive(run) ? "connecting" : "loading", heardAt: null };
    this.tail = new Tail(as, () => this.#changed());
    this.blocks = new Blocks(run.id, encoding, this.#blocksListener(), as);
    this.whole = new Whole(run.id, encoding, () => this.#changed());
    this.blocks.isElsewhere = (number) => this.tail.has(number);
    this.onVisible = () => this.#choose();
    document.addEventListener("visibilitychange", this.onVisible);
    if (isActive(run)) this.#choose();
    else this.blocks.readTail();
  }

  /** @returns {number} of rows */
  get count() {
    const count = Math.max(this.total, this.tail.count);
    return this.#isHalf(count) ? count - 1 : count;
  }

  /** The second byte of a last newline in UTF-16 is a line by the server's count, and none to anybody else. */
  #isHalf(number) {
    const line = this.encoding === UTF16 && this.blocks.store.line(number);
    return line && line.offset !== null && line.offset % 2 === 1 && line.to - line.offset <= 1;
  }

  get lineCount() {
    return this.count;
  }

  /** @returns {number} bytes that were written and are not known of here yet */
  get behind() {
    return Math.max(0, this.size - this.next);
  }

  /** @returns {boolean} whether the text of the end comes, or only how far it is */
  get following() {
    return this.isFollowing;
  }

  set following(following) {
    if (following === this.isFollowing) return;
    this.isFollowing = following;
    clearTimeout(this.leaving);
    if (following) this.#choose();
    else this.leaving = setTimeout(() => this.#choose(), LEAVE_MS);
    this.#report();
  }

  /** @param {number} first index @param {number} last index, not with it @returns {(import("../../model/types.js").Row|null)[]} */
  rows(first, last) {
    const rows = [];
    for (let number = first + 1; number <= last; number += 1) rows.push(this.#row(number));
    return rows;
  }

  #row(number) {
    const whole = this.as === "terminal" ? this.whole.rows.get(number) : undefined;
    return whole ?? this.tail.row(number) ?? this.blocks.row(number);
  }

  /** @param {number} first index @param {number} last index, not with it */
  want(first, last) {
    this.blocks.want(first + 1, last + 1);
  }

  /** @param {number} index @returns {number} */
  lineOf(index) {
    return index + 1;
  }

  /** @param {number} line @returns {number} */
  indexOf(line) {
    return Math.min(Math.max(0, line - 1), Math.max(0, this.count - 1));
  }

  /** How lines are drawn from now on. @param {"written"|"terminal"} as */
  draw(as) {
    this.as = as;
    this.tail.draw(as);
    this.blocks.draw(as);
    this.#changed();
  }

  /** The run as the server has it now. @param {Run} run */
  compare(run) {
    const ended = isActive(this.run) && !isActive(run);
    this.run = run;
    this.#written(run.output_bytes);
    if (ended && (!this.stream || UNREPORTED.has(this.streamed.kind))) this.#ended();
    else if (this.#isPolled && run.output_bytes > this.next) this.blocks.readTail();
    this.#report();
  }

  /** Tries now instead of waiting for the next attempt. */
  retry() {
    this.stream?.retry();
    this.blocks.retry();
  }

  dispose() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.onVisible);
    for (const timer of [this.leaving, this.reporting]) clearTimeout(timer);
    clearInterval(this.polling);
    this.stream?.close();
    this.blocks.close();
    this.whole.close();
  }

  get #isPolled() {
    return isActive(this.run) && currentTransport.value === "ranges";
  }

  /** The text of the end is streamed only to somebody who looks at it, and only as UTF-8. */
  #choose() {
    if (this.closed || !isActive(this.run) || this.endedAt !== null) return;
    if (currentTransport.value === "ranges") return this.#poll();
    const text = this.isFollowing && !document.hidden && this.encoding === STREAMED;
    const mode = text ? "text" : "growth";
    if (mode === this.mode) return;
    this.mode = mode;
    this.stream?.close();
    const from = text ? { tail: TAIL_LINES, max_bytes: TAIL_BYTES, max_behind: MAX_BEHIND } : { text: false };
    this.stream = new RunStream(this.run, from, this.#streamListener());
  }

  #streamListener() {
    return {
      onRun: (run) => this.listener.onRun(run),
      onState: (state) => this.#streamState(state),
      onOutput: (frame) => this.#take(frame),
      onGrowth: ({ next, lines }) => this.#grown(next, lines),
      wantsMore: () => true,
      onAllBlocked: () => this.#poll(),
    };
  }

  #blocksListener() {
    return {
      onChange: () => this.#changed(),
      onSize: (size, lines) => this.#sized(size, lines),
      onProblem: (problem) => this.#read(problem),
      onTail: () => this.#tailRead(),
    };
  }

  /** No transport pushes anything: the end is read every so often. */
  #poll() {
    if (this.polling) return;
    this.stream?.close();
    Object.assign(this, { stream: null, mode: null });
    this.polling = setInterval(() => document.hidden || this.blocks.readTail(), POLL_MS);
    this.blocks.readTail();
  }

  #take(frame) {
    this.tail.take(frame);
    this.#written(frame.next);
    this.#reached(frame.next, Math.max(this.tail.newlines, this.tail.count));
    this.#changed();
  }

  /** The last line, where it has not ended, is not among the newlines. */
  #grown(next, newlines) {
    this.#written(next);
    if (this.isFollowing && this.mode === "growth" && !document.hidden) {
      if (next > this.next) this.blocks.readTail();
    }
    this.#reached(next, Math.max(newlines, next > 0 ? 1 : 0));
    this.#changed();
  }

  #sized(size, lines) {
    this.#written(size);
    if (size >= this.next) this.#reached(size, lines);
  }

  #written(size) {
    this.size = Math.max(this.size, size);
    this.debt.written(this.size, performance.now());
  }

  #reached(next, lines) {
    if (next < this.next) return;
    this.next = next;
    this.debt.reached(next);
    // What a terminal draws a moment later is counted when it is drawn.
    this.total = Math.max(this.total, this.tail.next === next ? this.tail.count : lines);
    this.blocks.grow(next, this.total);
    this.listener.onGrowth?.();
    this.#report();
  }

  #streamState(state) {
    this.streamed = state;
    if (state.kind === "ended") this.#ended();
    else this.#report();
  }

  /** All that there is was written; what the stream has left out, or had not sent yet, is read. */
  #ended() {
    this.endedAt = this.next;
    clearInterval(this.polling);
    this.stream?.close();
    this.stream = null;
    if (this.streamed.kind !== "ended" || this.mode !== "text") {
      this.streamed = { ...this.streamed, kind: "loading" };
      this.blocks.readTail();
    }
    this.#report();
  }

  #tailRead() {
    const { kind } = this.streamed;
    if (this.endedAt !== null || !isActive(this.run)) this.streamed = { kind: "ended", heardAt: this.#now };
    else if (this.polling) this.streamed = { kind: "live", heardAt: this.#now };
    else if (kind === "loading") this.streamed = { kind: "ended", heardAt: this.#now };
    this.#report();
  }

  #read(problem) {
    this.problem = problem;
    if (problem === null && this.#isPolled) this.streamed = { kind: "live", heardAt: this.#now };
    this.#report();
  }

  get #isDrawnWhole() {
    if (this.streamed.kind !== "ended" || this.as !== "terminal") return false;
    if (this.size > WHOLE_BYTES || this.count > WHOLE_LINES) return false;
    return this.tail.rendered.moves || this.blocks.store.moves;
  }

  get #now() {
    return performance.now();
  }

  #changed() {
    if (this.closed) return;
    this.total = Math.max(this.total, this.tail.count);
    if (this.#isDrawnWhole) this.whole.read();
    this.onChange();
    this.listener.onChange?.();
  }

  /** @returns {LinesState} */
  get state() {
    const { next, size, isFollowing: following, lineCount } = this;
    const known = { next, size, following, lineCount, lateFrom: this.debt.lateFrom };
    const { problem, streamed } = this;
    if (streamed.kind === "deleted" || problem === null) return { ...streamed, ...known };
    const { heardAt } = streamed;
    if (problem.status === GONE) return { kind: "deleted", heardAt, ...known };
    if (!this.blocks.final && (problem.broken || !problem.answered)) return { kind: "reconnecting", heardAt, ...known };
    return { kind: "refused", final: this.blocks.final, detail: problem.message, heardAt, ...known };
  }

  /** Counts are reported a few times a second, everything else at once. */
  #report() {
    if (this.closed) return;
    const { kind, detail, final, resumedAt, following } = this.state;
    const key = [kind, detail, final, resumedAt, following].join();
    if (key !== this.told) this.#tell(key);
    else this.reporting ||= setTimeout(() => this.#tell(key), REPORT_MS);
  }

  #tell(key) {
    clearTimeout(this.reporting);
    Object.assign(this, { reporting: 0, told: key });
    this.listener.onState(this.state);
  }
}
