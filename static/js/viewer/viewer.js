/**
 * Shows a run's output in an element that scrolls. Another viewer with the same methods can stand in its place.
 *
 * Its memory is bounded. While it follows, the oldest rows go when the bounds are reached. While it does not, nothing
 * that is shown moves or goes: rows are added below until it is full, then output waits in `Pending`; when that is over
 * its bound too, `onFull` asks for the stream to be held. Elements are made once an animation frame, for a bounded time.
 */
import { Pending } from "./pending.js";
import { rowElement, Rows } from "./rows.js";
import { Terminal } from "./terminal.js";

const BOUNDS = { rows: 20_000, cost: 4_000_000 };
const PENDING_BOUNDS = { characters: 4_000_000, lines: 20_000 };
const FRAME_MS = 8;
const SLICE = 4096;
const NEAR_END_PX = 4;
const ROOM = 0.5;

/**
 * @typedef {object} ViewerState
 * @property {boolean} following
 * @property {boolean} full nothing more is shown until there is room
 * @property {boolean} empty
 * @property {boolean} hungry little waits to be shown
 * @property {boolean} cut what was written before the first row is not shown
 * @property {number|null} firstLine the number of the first line shown
 */

export class OutputViewer {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} host inside an element of it with all that scrolls; the viewer's own
   * @param {{onChange: (state: ViewerState) => void, onFull: () => void}} listener
   */
  constructor(scroller, host, listener) {
    Object.assign(this, { scroller, host, listener, following: true, scheduled: 0, live: null, lastTop: 0 });
    this.rows = new Rows(host, BOUNDS);
    this.pending = new Pending(PENDING_BOUNDS);
    this.terminal = new Terminal();
    this.started = false;
    this.cut = false;
    this.onScroll = () => this.#scrolled();
    scroller.addEventListener("scroll", this.onScroll, { passive: true });
    this.resizes = new ResizeObserver(() => this.following && this.#stick());
    this.resizes.observe(scroller);
    this.resizes.observe(host.parentElement);
  }

  /** @param {import("../types.js").OutputFrame} frame each once, in order */
  append(frame) {
    if (!this.started) this.#start(frame);
    this.pending.push(frame);
    if (this.pending.over) {
      if (this.following) this.#skip();
      else this.listener.onFull();
    }
    this.#schedule();
  }

  #start(frame) {
    this.terminal.reset(frame.line);
    this.started = true;
    this.cut = frame.offset > 0;
  }

  /** Empties it, for output from another offset. @param {{following: boolean}} options */
  restart({ following }) {
    this.pending.clear();
    this.rows.clear();
    this.live = null;
    this.started = false;
    this.cut = false;
    this.lastTop = 0;
    this.following = following;
    this.#tell();
  }

  /** @param {boolean} following */
  follow(following) {
    this.following = following;
    if (following) this.#stick();
    this.#schedule();
    this.#tell();
  }

  /** Drops the older half, so that what waits can be shown. */
  makeRoom() {
    const heightBefore = this.scroller.scrollHeight;
    this.#drop(ROOM);
    this.scroller.scrollTop -= heightBefore - this.scroller.scrollHeight;
    this.lastTop = this.scroller.scrollTop;
    this.#schedule();
    this.#tell();
  }

  /** @returns {string} what is shown, as plain text */
  text() {
    return this.rows.text();
  }

  dispose() {
    cancelAnimationFrame(this.scheduled);
    this.resizes.disconnect();
    this.scroller.removeEventListener("scroll", this.onScroll);
  }

  #drop(part) {
    if (this.rows.dropOldest(part)) this.cut = true;
  }

  /** What comes is more than can be shown: the oldest of all goes first, and that is what is shown now. */
  #skip() {
    const line = this.pending.dropOldest();
    if (line === null) return;
    this.rows.clear();
    this.live = null;
    this.cut = true;
    this.terminal.reset(line);
  }

  #schedule() {
    if (this.scheduled) return;
    this.scheduled = requestAnimationFrame(() => {
      this.scheduled = 0;
      this.#show();
    });
  }

  #show() {
    const end = performance.now() + FRAME_MS;
    this.live?.remove();
    while (!this.pending.empty && !this.#blocked && performance.now() < end) {
      this.rows.append(this.terminal.feed(this.pending.take(SLICE)));
      if (this.following && this.rows.full) this.#drop(1);
    }
    this.#showLive();
    if (this.following) this.#stick();
    if (!this.pending.empty && !this.#blocked) this.#schedule();
    this.#tell();
  }

  get #blocked() {
    return !this.following && this.rows.full;
  }

  /** The line that is being written stands after the finished ones, and is made anew each time. */
  #showLive() {
    const row = this.terminal.current;
    this.live = row && rowElement(row);
    if (this.live) this.host.append(this.live);
  }

  #stick() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.lastTop = this.scroller.scrollTop;
  }

  /** Scrolling up leaves the end; coming back to it follows again. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const atEnd = scrollHeight - clientHeight - scrollTop <= NEAR_END_PX;
    if (this.following && scrollTop < this.lastTop && !atEnd) this.follow(false);
    else if (!this.following && scrollTop > this.lastTop && atEnd && !this.#blocked) this.follow(true);
    this.lastTop = this.scroller.scrollTop;
  }

  #tell() {
    const { following, cut, rows, pending } = this;
    const empty = rows.rows === 0 && !this.live;
    this.listener.onChange({ following, cut, empty, full: this.#blocked, hungry: pending.hungry, firstLine: rows.firstLine });
  }
}
