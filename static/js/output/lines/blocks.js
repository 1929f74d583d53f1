/**
 * The lines of an output that somebody looks at, read over HTTP: a block of lines at a time, each request bounded in
 * bytes, the latest wish first. What is not wished for any more is let go.
 */
import { BLOCK_LINES, END, PART_BYTES } from "../../model/end.js";
import { readPart } from "../../server/api.js";
import { backOff, retryEvents } from "../../server/state.js";
import { brokenOff } from "../../server/answers.js";
import { ended, needsLast } from "./line.js";
import { endsInHalf, LAST_BYTES, lastText, linesOf, UTF16 } from "./split.js";
import { blockOf, Store } from "./store.js";

/**
 * @typedef {import("./line.js").Known} Known
 * @typedef {import("../../server/answers.js").Problem} Problem
 *
 * @typedef {import("../../server/api.js").Part} Part
 *
 * @typedef {object} Job what is read next
 * @property {{max_bytes: number, lines?: string, tail?: number, offset?: number}} query of the part
 * @property {number} first line that it is for; the end of the output is for whoever opens it
 * @property {number} last line that it is for
 * @property {(part: Part) => void} take
 */

/** Lines beyond what is looked at that are read before they are. */
const MARGIN = 60;
/** Where lines are longer than that. */
const LONG_PART_BYTES = 32 * 1024;
/** Attempts at what breaks off, or brings nothing. */
const TRIES = 3;
/** Between two looks at a line that is being written. */
const RENEW_MS = 500;

export class Blocks {
  /**
   * @param {string} runId
   * @param {string} encoding a label of the Encoding Standard
   * @param {object} listener
   * @param {() => void} listener.onChange of rows
   * @param {(size: number, lines: number) => void} listener.onSize how far the output is
   * @param {(problem: Problem|null) => void} listener.onProblem of the last try; null: it went well
   * @param {() => void} listener.onTail the end was read
   * @param {"written"|"terminal"} as
   */
  constructor(runId, encoding, listener, as) {
    Object.assign(this, { runId, encoding, listener, as, store: new Store(as, () => listener.onChange()) });
    Object.assign(this, { wish: null, next: 0, count: 0, wantsTail: false, job: null, failed: null });
    Object.assign(this, { timer: 0, renewal: 0, closed: false, failures: 0, breaks: 0, renewedAt: 0, final: false, abort: new AbortController() });
    /** Whether the page has a line from elsewhere. @type {(number: number) => boolean} */
    this.isElsewhere = () => false;
    this.isLong = false;
    this.onRetry = () => this.retry();
    retryEvents.addEventListener("now", this.onRetry);
  }

  /** @param {number} number of a line @returns {import("../../model/types.js").Row|null} */
  row(number) {
    return this.store.row(number);
  }

  /** @param {"written"|"terminal"} as */
  draw(as) {
    this.as = as;
    this.store.draw(as);
    this.#go();
  }

  /**
   * How far the output is now. Nothing is read before somebody looks again: what was looked at is left behind by an
   * output that is followed.
   * @param {number} next offset
   * @param {number} count of lines
   */
  grow(next, count) {
    Object.assign(this, { next, count });
  }

  /** Reads the end of the output, wherever it is by now. */
  readTail() {
    this.wantsTail = true;
    this.#go();
  }

  /** @param {number} first line that is looked at @param {number} last line, not with it */
  want(first, last) {
    this.wish = { first, last };
    this.store.touch(first, last);
    if (this.job && !this.job.query.tail && !this.#isWished(this.job)) this.#leave();
    if (this.final && !this.#isWished(this.failed)) this.#forgive();
    this.#go();
  }

  /** Tries now instead of waiting for the next attempt. */
  retry() {
    if (!this.timer && !this.final) return;
    this.#leave();
    this.#forgive();
    this.#go();
  }

  close() {
    this.#leave();
    this.closed = true;
    clearTimeout(this.renewal);
    retryEvents.removeEventListener("now", this.onRetry);
  }

  #isWished({ first, last }) {
    return first < this.wish.last + MARGIN && last >= this.wish.first - MARGIN;
  }

  /** What cannot be read is not looked at any more, or may be tried again. */
  #forgive() {
    Object.assign(this, { final: false, breaks: 0, failed: null });
    this.listener.onProblem(null);
  }

  #leave() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.abort.abort();
    this.job = null;
  }

  async #go() {
    if (this.job || this.timer || this.final || this.closed) return;
    const job = (this.job = this.#nextJob());
    if (!job) return;
    const { signal } = (this.abort = new AbortController());
    this.wantsTail &&= !job.query.tail;
    try {
      const part = await readPart(this.runId, job.query, { signal });
      if (signal.aborted) return;
      this.job = null;
      this.#take(job, part);
    } catch (problem) {
      if (signal.aborted) return;
      this.job = null;
      this.#failed(problem, job);
    }
    this.#go();
  }

  #take(job, part) {
    job.take(part);
    Object.assign(this, { failures: 0, breaks: 0 });
    this.listener.onProblem(null);
    this.listener.onSize(part.size, part.lines - this.#uncounted(job, part));
    if (job.query.tail) this.listener.onTail();
    this.listener.onChange();
  }

  /** Whether the last line that the server counts is one, only the end of the output tells, in UTF-16. */
  #uncounted(job, part) {
    const known = job.query.tail !== undefined;
    return this.encoding === UTF16 && (!known || endsInHalf(part, this.encoding)) ? 1 : 0;
  }

  #failed(problem, job) {
    this.failed = job;
    this.wantsTail ||= job.query.tail !== undefined;
    this.failures += 1;
    this.breaks += problem.broken ? 1 : 0;
    this.final = problem.final || this.breaks >= TRIES;
    if (!this.final) {
      this.timer = setTimeout(() => {
        this.timer = 0;
        this.#go();
      }, backOff(this.failures));
    }
    this.listener.onProblem(problem);
  }

  /** @returns {Job|null} what is missing, of what is looked at before what is near it */
  #nextJob() {
    if (this.wantsTail) return this.#tailJob();
    if (!this.wish) return null;
    const { first, last } = this.wish;
    if (last <= first) return null;
    return this.#jobIn(first, last) ?? this.#jobIn(first - MARGIN, last + MARGIN);
  }

  #jobIn(first, last) {
    for (let number = Math.max(1, first); number < Math.min(last, this.count + 1); number += 1) {
      const job = this.#jobFor(number);
      if (job) return job;
    }
    return null;
  }

  #jobFor(number) {
    if (this.isElsewhere(number)) return null;
    const line = this.store.line(number);
    if (!line || line.text === null) return this.#linesJob(number);
    const isStale = !line.whole && !line.cut && line.to < this.next;
    if (isStale && !this.#mayRenew()) return null;
    if (isStale && line.rest === 0) return this.#linesJob(number);
    if (isStale || line.cut) return this.#endJob(line);
    return needsLast(line, this.as) ? this.#lastJob(line) : null;
  }

  /** A line that is being written is looked at again, but not all the time. */
  #mayRenew() {
    const wait = this.renewedAt + RENEW_MS - performance.now();
    if (wait <= 0) {
      this.renewedAt = performance.now();
      return true;
    }
    this.renewal ||= setTimeout(() => {
      this.renewal = 0;
      this.#go();
    }, wait);
    return false;
  }

  /** @returns {Job} */
  #tailJob() {
    const take = (part) => this.#put(part, part.offset === 0 || part.bytes.length < PART_BYTES);
    return { query: END, first: 0, last: Number.POSITIVE_INFINITY, take };
  }

  /** All of the block that is missing, or what is missing from that line on. @returns {Job} */
  #linesJob(number) {
    const start = blockOf(number) * BLOCK_LINES + 1;
    const first = this.store.blocks.has(blockOf(number)) ? number : start;
    let last = number;
    while (last + 1 < start + BLOCK_LINES && last < this.count && !this.store.line(last + 1)?.text) last += 1;
    const query = { lines: `${first}-${last}`, max_bytes: this.isLong ? LONG_PART_BYTES : PART_BYTES };
    const take = (part) => {
      if (this.#put(part, true) === 0) throw brokenOff();
    };
    return { query, first, last, take };
  }

  /** Where the next line starts is where this one ends; where there is none, all of the output does. @returns {Job} */
  #endJob(line) {
    const { number } = line;
    const query = { lines: `${number + 1}-${number + 1}`, max_bytes: 1 };
    const take = ({ offset, lines }) => {
      const whole = lines > number;
      this.store.put([ended(line, { to: whole ? offset - 1 : offset, whole, last: null })]);
    };
    return { query, first: number, last: number, take };
  }

  /** @returns {Job} */
  #lastJob(line) {
    const { number, offset, shown, to } = line;
    const from = Math.max(offset + shown, to - LAST_BYTES);
    const query = { offset: from, max_bytes: Math.max(1, to - from) };
    const take = ({ bytes }) => {
      const last = lastText(bytes, this.encoding).replace(/\n$/, "");
      this.store.put([{ ...line, last }]);
    };
    return { query, first: number, last: number, take };
  }

  /** @returns {number} how many lines came */
  #put({ bytes, offset, line, size }, aligned) {
    const bounded = offset + bytes.length < size;
    const lines = linesOf({ bytes, offset, line, aligned, bounded }, this.encoding);
    this.isLong = lines.length === 1 && (bounded || !aligned);
    this.store.put(lines.map((one) => joined(one, this.store.line(one.number))).filter(Boolean));
    return lines.length;
  }
}

/** @param {Known} line as it came @param {Known|undefined} before @returns {Known|null} with what was known of it; null: all was */
function joined(line, before) {
  if (line.text === null && before?.text) return null;
  if (!line.cut || !before || before.text !== null) return line;
  return ended(line, before);
}
