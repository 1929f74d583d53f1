/**
 * A run's output read in parts over HTTP, as fast as there is room for it: of a finished run, of one that no
 * stream reaches, and of one in an encoding other than UTF-8, since frames carry text and not bytes.
 */
import { isActive } from "../model/run.js";
import { readOutput } from "../server/api.js";
import { backOff, retryEvents } from "../server/state.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 * @typedef {{offset: number, line: number}|"tail"} Place where to begin
 */

/** Size of a part, and of the end that is read where the whole output is too large. */
const PART_BYTES = 512 * 1024;
const NEWLINE = 10;
const UTF16 = "utf-16le";
/** Attempts at a part that breaks off before its first byte. */
const TRIES = 3;

/** @param {Uint8Array} bytes @returns {number} */
function newlinesIn(bytes) {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

export class RangeSource {
  /**
   * @param {Run} run
   * @param {Place} place
   * @param {string} encoding a label of the Encoding Standard
   * @param {import("./stream.js").StreamListener} listener
   */
  constructor(run, place, encoding, listener) {
    Object.assign(this, { run, encoding, listener, state: "loading", heardAt: performance.now() });
    Object.assign(this, { timer: 0, final: false, failures: 0, breaks: 0, busy: false, abort: new AbortController() });
    this.onRetry = () => this.retry();
    retryEvents.addEventListener("now", this.onRetry);
    this.restart(place);
  }

  /** @returns {number} the offset to go on from */
  get next() {
    return this.at;
  }

  /** Nothing to do: it reads only while there is room. */
  pause() {}

  /** There is room again. */
  resume() {
    if (!this.timer && !this.final) this.#read();
  }

  /** Goes on elsewhere. @param {Place} place */
  restart(place) {
    this.#leave();
    this.decoder = new TextDecoder(this.encoding);
    this.unaligned = place === "tail";
    const start = Math.max(0, this.run.output_bytes - PART_BYTES);
    this.at = place === "tail" ? start - (start % 2) : place.offset;
    // The server counts a newline's first byte as the end of a line.
    if (this.encoding === UTF16) this.at += this.at % 2;
    this.line = place === "tail" ? 1 : place.line;
    if (this.at === 0) this.unaligned = false;
    this.#report({ kind: "loading" });
    this.#read();
  }

  /** Tries now instead of waiting for the next attempt. */
  retry() {
    if (!this.timer && !this.final) return;
    if (this.final) this.breaks = 0;
    this.#leave();
    this.#read();
  }

  /** The run as the server has it now. @param {Run} run */
  compare(run) {
    this.run = run;
    this.heardAt = performance.now();
    if (this.state === "live") this.#report({ kind: "live" });
    this.resume();
  }

  close() {
    this.#leave();
    retryEvents.removeEventListener("now", this.onRetry);
  }

  async #read() {
    if (this.busy || this.state === "ended" || this.state === "deleted") return;
    const { signal } = (this.abort = new AbortController());
    this.busy = true;
    try {
      while (this.at < this.run.output_bytes && this.listener.wantsMore()) await this.#part(signal);
      if (this.at >= this.run.output_bytes) this.#caughtUp();
    } catch (problem) {
      if (!signal.aborted) this.#failed(problem);
    } finally {
      if (this.abort.signal === signal) this.busy = false;
    }
  }

  async #part(signal) {
    const end = Math.min(this.run.output_bytes, this.at + PART_BYTES);
    const bytes = await readOutput(this.run.id, this.at, end, { signal });
    if (signal.aborted) throw signal.reason;
    this.failures = 0;
    this.breaks = 0;
    this.heardAt = performance.now();
    this.#give(this.decoder.decode(bytes, { stream: true }), bytes);
    if (this.state !== "live") this.#report({ kind: isActive(this.run) ? "live" : "loading" });
  }

  /** The end of an output starts at its first whole line, whose number follows from the lines that come after it. */
  #give(text, bytes) {
    if (this.unaligned) {
      this.unaligned = false;
      this.line = this.run.output_lines - newlinesIn(bytes) + 1;
      const cut = text.indexOf("\n") + 1;
      this.line += cut && 1;
      text = text.slice(cut);
    }
    const [offset, next] = [this.at, this.at + bytes.length];
    this.listener.onOutput({ offset, next, line: this.line, time: 0, text });
    this.at = next;
    this.line += text.split("\n").length - 1;
  }

  #caughtUp() {
    if (isActive(this.run)) return this.#report({ kind: "live" });
    const rest = this.decoder.decode();
    if (rest) this.#give(rest, new Uint8Array());
    return this.#report({ kind: "ended" });
  }

  #failed(problem) {
    if (problem.status === 404) return this.#report({ kind: "deleted" });
    this.failures += 1;
    this.breaks += problem.broken ? 1 : 0;
    const hopeless = this.breaks >= TRIES;
    this.final = problem.final || hopeless;
    if (!this.final) this.timer = setTimeout(() => this.retry(), backOff(this.failures));
    if (!this.final && (problem.broken || !problem.answered)) return this.#report({ kind: "reconnecting" });
    const detail = hopeless ? `It breaks off at byte ${this.at} each time.` : problem.message;
    return this.#report({ kind: "refused", final: this.final, detail });
  }

  #leave() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.final = false;
    this.abort.abort();
    this.busy = false;
  }

  #report(state) {
    this.state = state.kind;
    this.listener.onState({ ...state, heardAt: this.heardAt });
  }
}
