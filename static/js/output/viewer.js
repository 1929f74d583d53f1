/**
 * Shows a run's output in an element that scrolls. Another viewer with the same methods can stand in its place.
 *
 * Its memory is bounded. While it follows, the oldest rows go when the bounds are reached. While it does not, nothing
 * that is shown moves or goes: rows are added below until it is full, then output waits in `Pending`; when that exceeds
 * its bound too, `onFull` asks for the stream to be paused. Elements are made once per animation frame, for a limited
 * time; less often in a flood, which nobody can read, so that receiving comes before drawing.
 */
import { copyRows } from "./copy.js";
import { Pending } from "./pending.js";
import { rowElement, Rows } from "./rows.js";
import { FollowingScroll } from "./scroll.js";
import { Terminal } from "./terminal.js";

const BOUNDS = { rows: 20_000, cost: 4_000_000 };
/** For a finished run that is shown whole. */
const WHOLE_BOUNDS = { rows: 110_000, cost: 40_000_000 };
const PENDING_BOUNDS = { characters: 4_000_000, lines: 20_000 };
const FRAME_MS = 8;
const CALM_FRAME_MS = 30; // nothing else happens meanwhile
const SLICE = 4096;
const FLOOD_CHARACTERS = 200_000;
const FLOOD_PAUSE_MS = 100;
const ROOM = 0.5;

/**
 * @typedef {object} ViewerState
 * @property {boolean} following
 * @property {boolean} full nothing more is shown until there is room
 * @property {boolean} empty
 * @property {boolean} allShown all that has come is shown
 * @property {boolean} wantsMore little waits to be shown
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
    this.host = host;
    this.listener = listener;
    this.onCopy = copyRows(host);
    scroller.addEventListener("copy", this.onCopy);
    this.rows = new Rows(host, BOUNDS);
    this.pending = new Pending(PENDING_BOUNDS);
    this.terminal = new Terminal();
    this.scroll = new FollowingScroll(
      scroller,
      host.parentElement,
      (following) => (following && this.#blocked) || this.follow(following),
    );
    this.live = null;
    this.started = false;
    this.cut = false;
    /** Whether new output waits for what is being shown, so that nothing is ever skipped. */
    this.lossless = false;
    this.arrived = 0;
    this.frame = 0;
    this.timer = 0;
  }

  /** @param {import("../model/types.js").OutputFrame} frame each once, in order */
  append(frame) {
    if (!this.started) {
      this.terminal.reset(frame.line);
      this.started = true;
      this.cut = frame.offset > 0;
    }
    this.pending.push(frame);
    this.arrived += frame.text.length;
    if (this.pending.over && !this.lossless) {
      if (this.scroll.following) this.#skip();
      else this.listener.onFull();
    }
    this.#schedule();
    this.#report();
  }

  /** @returns {boolean} whether more is welcome */
  get wantsMore() {
    return this.pending.wantsMore && !this.#blocked;
  }

  /** @param {boolean} whole whether all rows of a run are to stay */
  bound(whole) {
    this.rows.bounds = whole ? WHOLE_BOUNDS : BOUNDS;
  }

  /** Empties it, for output from another offset. @param {{following: boolean}} options */
  restart({ following }) {
    this.pending.clear();
    this.rows.clear();
    this.live = null;
    this.started = false;
    this.cut = false;
    this.scroll.following = following;
    this.#report();
  }

  /** @param {boolean} following */
  follow(following) {
    this.scroll.following = following;
    this.scroll.stick();
    this.#schedule();
    this.#report();
  }

  /** @param {import("./scroll.js").Place} place */
  goTo(place) {
    this.scroll.goTo(place);
  }

  /** Drops the older half, so that what waits can be shown. */
  makeRoom() {
    this.scroll.keepPlace(() => this.#drop(ROOM));
    this.#schedule();
    this.#report();
  }

  /** @returns {string} what is shown, as plain text */
  text() {
    return this.rows.text();
  }

  dispose() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    this.scroll.scroller.removeEventListener("copy", this.onCopy);
    this.scroll.dispose();
  }

  #drop(part) {
    if (this.rows.dropOldest(part)) this.cut = true;
  }

  /** More arrives than can be shown: the oldest output is dropped first, which is what is shown now. */
  #skip() {
    const line = this.pending.dropOldest();
    if (line === null) return;
    this.rows.clear();
    this.live = null;
    this.cut = true;
    this.terminal.reset(line);
  }

  #schedule() {
    if (this.timer || this.frame) return;
    if (this.arrived < FLOOD_CHARACTERS) this.#nextFrame();
    else this.timer = setTimeout(() => this.#nextFrame(), FLOOD_PAUSE_MS);
    this.arrived = 0;
  }

  #nextFrame() {
    this.timer = 0;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.#show(this.lossless ? CALM_FRAME_MS : FRAME_MS);
    });
  }

  /** Shows everything received so far, at once. */
  flush() {
    this.#show(Number.POSITIVE_INFINITY);
  }

  #show(ms) {
    const end = performance.now() + ms;
    this.live?.remove();
    while (!this.pending.empty && !this.#blocked && performance.now() < end) {
      this.rows.append(this.terminal.feed(this.pending.take(SLICE)));
      if (this.scroll.following && this.rows.full) this.#drop(1);
    }
    this.#showLive();
    this.scroll.stick();
    if (!this.pending.empty && !this.#blocked) this.#schedule();
    this.#report();
  }

  get #blocked() {
    return !this.scroll.following && this.rows.full;
  }

  /** The line that is being written stands after the finished ones, and is made anew each time. */
  #showLive() {
    const row = this.terminal.current;
    this.live = row && rowElement(row);
    if (this.live) this.host.append(this.live);
  }

  #report() {
    const { cut, rows, pending } = this;
    const empty = rows.rows === 0 && !this.live;
    this.listener.onChange({
      following: this.scroll.following,
      full: this.#blocked,
      empty,
      allShown: pending.empty,
      wantsMore: pending.wantsMore,
      cut,
      firstLine: rows.firstLine,
    });
  }
}
