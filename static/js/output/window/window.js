/**
 * A window on rows: only those that are seen are elements, however many there are, and what is drawn is drawn once a
 * frame.
 *
 * What a person looks at stays where it is while rows come, grow, or become more above it.
 */
import { barHeight, barTop, isAtEnd, isAtStart, placeOfBar } from "./bar.js";
import { copyRows } from "./copy.js";
import { RowElements } from "./elements.js";
import { Scrolling } from "./hands.js";
import { Heights } from "./heights.js";
import { endOf, spread, within } from "./place.js";

/**
 * @typedef {import("../../model/types.js").Row} Row
 * @typedef {import("../../model/types.js").Content} Content
 *
 * @typedef {object} WindowState
 * @property {boolean} following it stays at the end
 * @property {boolean} atEnd the end is seen
 * @property {number} first line that is seen
 * @property {number} last line that is seen
 * @property {number} count of rows
 */

/** @type {Content} */
const NOTHING = { count: 0, rows: () => [], want: () => {}, lineOf: (index) => index + 1, indexOf: (line) => line - 1 };
/** Heights that turn out to be others change what is seen, so what is seen is looked at again, so many times. */
const ROUNDS = 6;
const FEWEST_DIGITS = 3;
const ALIGN = { start: 0, center: 0.5, end: 1 };

export class OutputWindow {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} host of the rows, inside of the elements of `WindowFrame`
   * @param {{onState?: (state: WindowState) => void}} [listener]
   */
  constructor(scroller, host, { onState = () => {} } = {}) {
    this.parts = { scroller, host, flow: host.parentElement };
    Object.assign(this.parts, { view: this.parts.flow.parentElement, foot: host.nextElementSibling });
    Object.assign(this, { onState, content: NOTHING, following: true, frame: 0, told: "", height: 0, width: 0, room: 0 });
    Object.assign(this, { place: { index: 0, y: 0 }, line: 1, moved: 0, marked: null });
    this.seen = { first: 0, last: 0, top: 0, bottom: 0 };
    /** @type {Set<(element: HTMLElement, row: Row|null) => void>} called whenever a row has been drawn anew */
    this.decorators = new Set();
    this.heights = new Heights(parseFloat(getComputedStyle(host).lineHeight));
    this.elements = new RowElements(host, (element, row, index) => this.#filled(element, row, index));
    this.scrolling = new Scrolling(scroller, this.#hands());
    this.resizes = new ResizeObserver(() => this.#resized());
    for (const one of [scroller, this.parts.foot]) if (one) this.resizes.observe(one);
    this.onCopy = copyRows(host);
    scroller.addEventListener("copy", this.onCopy);
  }

  /** @param {Content} content shown from now on, at the end while it follows, else from where it was */
  setContent(content) {
    this.content.onChange = () => {};
    this.content = content;
    content.onChange = () => this.#changed();
    this.elements.forget();
    this.heights.clear();
    this.width = 0;
    this.#changed();
  }

  /** @returns {number} the number of the first line that is seen */
  get first() {
    return this.content.lineOf(this.seen.first);
  }

  /** @returns {number} the number of the last line that is seen */
  get last() {
    return this.content.lineOf(Math.max(this.seen.first, this.seen.last - 1));
  }

  /** @param {boolean} following whether it is to stay at the end */
  follow(following) {
    this.following = following;
    this.scrolling.release();
    if (!following) this.#hold();
    this.#schedule();
  }

  /**
   * Shows a line, which is then held in its place.
   * @param {number} line
   * @param {{align?: "start"|"center"|"end", mark?: boolean}} [how] mark: have it stand out until another is gone to
   */
  goTo(line, { align = "center", mark = true } = {}) {
    this.following = false;
    this.scrolling.release();
    const index = Math.max(0, Math.min(this.content.indexOf(line), this.content.count - 1));
    this.place = { index, y: (this.view - this.heights.of(index)) * ALIGN[align] };
    this.line = line;
    this.moved = 0;
    this.marked = mark ? line : null;
    this.redraw();
  }

  /** @param {"start"|"end"} end goes there; at the end, it follows */
  toEnd(end) {
    this.following = end === "end";
    this.scrolling.release();
    this.moved = 0;
    this.place = { index: 0, y: 0 };
    this.line = 1;
    this.#schedule();
  }

  /** @param {number} pages of what is seen, down, or up where it is negative */
  page(pages) {
    this.scrolling.page(pages);
  }

  /** Has all rows drawn anew, as when their decorators have changed. */
  redraw() {
    this.elements.forget();
    this.#schedule();
  }

  /** The width of rows is another: they wrap, or do not. */
  rewrap() {
    this.room = 0;
    this.#resized();
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    this.content.onChange = () => {};
    this.parts.scroller.removeEventListener("copy", this.onCopy);
    this.scrolling.dispose();
    this.resizes.disconnect();
    this.parts.host.replaceChildren();
  }

  #hands() {
    return {
      move: (px) => this.#move(px),
      canMove: (px) => (px < 0 ? !isAtStart(this.seen) : !isAtEnd(this.#sizes(), this.seen)),
      toBar: (top) => this.#toBar(top),
      toEnd: (end) => this.toEnd(end),
      onRest: () => this.#schedule(),
      lineHeight: () => this.heights.line,
    };
  }

  get view() {
    return this.parts.scroller.clientHeight;
  }

  #sizes() {
    const { count } = this.content;
    const { heights, parts } = this;
    const foot = parts.foot?.offsetHeight ?? 0;
    return { count, view: this.view, foot, average: heights.average, heightOf: (index) => heights.of(index) };
  }

  /** A person moves what is seen. */
  #move(px) {
    if (this.moved === 0) this.#hold();
    this.moved += px;
    this.place.y -= px;
    if (px < 0) this.following = false;
    this.#schedule();
  }

  #toBar(top) {
    const place = placeOfBar(this.#sizes(), top, this.height);
    this.following = place === null;
    if (place) this.place = place;
    this.line = this.content.lineOf(this.place.index);
    this.#schedule();
  }

  /** Takes what is seen first as what is to stay in its place. */
  #hold() {
    this.place = { index: this.seen.first, y: this.seen.top };
    this.line = this.first;
  }

  #changed() {
    const { content, place } = this;
    if (content.count && content.lineOf(Math.min(place.index, content.count - 1)) !== this.line) {
      place.index = Math.max(0, content.indexOf(this.line));
    }
    this.#schedule();
  }

  #resized() {
    const { scroller, view } = this.parts;
    this.scrolling.resized();
    // Rows that were wider, or had more room, keep none of it: they would not wrap.
    if (this.room !== scroller.clientWidth) Object.assign(this, { room: scroller.clientWidth, width: 0 });
    if (this.width === 0) view.parentElement.style.minWidth = "";
    this.heights.line = parseFloat(getComputedStyle(this.parts.host).lineHeight);
    this.heights.clear();
    this.#schedule();
  }

  #schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#draw();
    });
  }

  #draw() {
    this.parts.view.style.height = `${this.view}px`;
    const digits = Math.max(FEWEST_DIGITS, String(this.content.lineOf(Math.max(0, this.content.count - 1))).length);
    this.parts.host.style.setProperty("--gutter", `${digits}ch`);
    for (let round = 0; round < ROUNDS; round += 1) {
      this.#lay();
      if (!this.#measure()) break;
    }
    this.content.want(this.seen.first, this.seen.last);
    this.parts.flow.style.transform = `translateY(${Math.round(this.seen.top)}px)`;
    this.#settle();
  }

  /** Has the rows that are seen drawn, as far as their heights are known. */
  #lay() {
    const sizes = this.#sizes();
    this.place = within(this.following ? endOf(sizes) : this.place, sizes);
    this.seen = spread(this.place, sizes);
    const { first, last } = this.seen;
    this.parts.foot?.classList.toggle("window__foot--away", last < sizes.count);
    this.elements.show(first, this.content.rows(first, last), (index) => this.content.lineOf(index));
  }

  /** @returns {boolean} whether any height is another than was assumed */
  #measure() {
    let other = false;
    for (const [index, { element }] of this.elements.drawn) {
      if (this.heights.has(index)) continue;
      other = this.heights.set(index, element.getBoundingClientRect().height) || other;
    }
    return other;
  }

  /** Puts the bar where what is drawn is, and tells. */
  #settle() {
    const sizes = this.#sizes();
    const atEnd = isAtEnd(sizes, this.seen);
    if (this.moved > 0 && atEnd) this.following = true;
    if (this.moved !== 0) this.#hold();
    this.moved = 0;
    if (!this.scrolling.busy) this.#putBar(sizes);
    this.#tell(atEnd);
  }

  #putBar(sizes) {
    const { flow, view } = this.parts;
    this.height = Math.round(barHeight(sizes, this.seen));
    this.width = Math.max(this.width, flow.offsetWidth);
    Object.assign(view.parentElement.style, { height: `${this.height}px`, minWidth: `${this.width}px` });
    this.scrolling.set(barTop(sizes, this.seen, this.height));
  }

  #tell(atEnd) {
    const { first, last, following } = this;
    const state = { following, atEnd, first, last, count: this.content.count };
    const told = Object.values(state).join();
    if (told !== this.told) this.onState(state);
    this.told = told;
  }

  #filled(element, row, index) {
    this.heights.forget(index);
    if (this.marked !== null && Number(element.dataset.line) === this.marked) element.classList.add("out-row--marked");
    for (const decorate of this.decorators) decorate(element, row);
  }
}
