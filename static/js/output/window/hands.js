/**
 * What a person does to scroll: the wheel, touch and keys move rows by pixels; the bar goes to a fraction of all.
 *
 * The browser scrolls by itself, too (touch, the bar, a selection that is dragged past an edge): what it did is taken as
 * a movement, or as a place of the bar, and the bar is put right once it has come to rest.
 */

const REST_MS = 150;
const OWN_PX = 1.5;
const PAGE = 0.9;
const LINE_MODE = 1;
const PAGE_MODE = 2;

/**
 * @typedef {object} Hands
 * @property {(px: number) => void} move down, or up where it is negative
 * @property {(px: number) => boolean} canMove
 * @property {(top: number) => void} toBar
 * @property {(end: "start"|"end") => void} toEnd
 * @property {() => void} onRest the browser has come to rest
 * @property {() => number} lineHeight in px
 */

export class Scrolling {
  /** @param {HTMLElement} scroller @param {Hands} hands */
  constructor(scroller, hands) {
    Object.assign(this, { scroller, hands, top: 0, fingers: 0, byTouch: false, byPointer: false, rest: 0 });
    this.stop = new AbortController();
    const { signal } = this.stop;
    const on = (target, type, act, passive = true) => target.addEventListener(type, act, { signal, passive });
    on(scroller, "wheel", (event) => this.#wheel(event), false);
    on(scroller, "keydown", (event) => this.#key(event), false);
    on(scroller, "scroll", () => this.#scrolled());
    for (const type of ["touchstart", "touchend", "touchcancel"]) on(scroller, type, (event) => this.#touch(event));
    on(scroller, "pointerdown", (event) => this.#press(event));
    for (const type of ["pointerup", "pointercancel"]) on(window, type, () => (this.byPointer = false));
  }

  /** @returns {boolean} whether the browser is scrolling by itself, so that the bar is to be left alone */
  get busy() {
    return this.rest !== 0;
  }

  /** Puts the bar somewhere. @param {number} top in px */
  set(top) {
    if (Math.abs(this.scroller.scrollTop - top) >= 1) this.scroller.scrollTop = top;
    this.top = this.scroller.scrollTop;
  }

  /** The view has another size: where more room has moved the bar, nobody has scrolled. */
  resized() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (scrollTop < this.top && scrollTop + clientHeight > scrollHeight - OWN_PX) this.top = scrollTop;
  }

  /** What comes now is not the browser's scrolling: the bar goes with it at once. */
  release() {
    clearTimeout(this.rest);
    this.rest = 0;
  }

  /** @param {number} pages */
  page(pages) {
    this.release();
    this.hands.move(pages * PAGE * this.scroller.clientHeight);
  }

  dispose() {
    this.release();
    this.stop.abort();
  }

  #touch({ touches }) {
    this.fingers = touches.length;
    this.byTouch ||= this.fingers > 0;
  }

  /** What is pressed beside the rows is the bar. */
  #press({ pointerType, target }) {
    this.byTouch &&= pointerType === "touch";
    this.byPointer = target !== this.scroller;
  }

  #wheel(event) {
    const { deltaX, deltaY, deltaMode, ctrlKey, shiftKey } = event;
    if (ctrlKey || shiftKey || Math.abs(deltaX) > Math.abs(deltaY)) return;
    const unit = { [LINE_MODE]: this.hands.lineHeight(), [PAGE_MODE]: this.scroller.clientHeight }[deltaMode] ?? 1;
    if (!this.hands.canMove(deltaY)) return;
    event.preventDefault();
    this.release();
    this.hands.move(deltaY * unit);
  }

  #key(event) {
    const { key, shiftKey, ctrlKey, altKey, metaKey, target } = event;
    if (ctrlKey || altKey || metaKey || (target !== this.scroller && key === " ")) return;
    const act = {
      ArrowDown: () => this.hands.move(this.hands.lineHeight()),
      ArrowUp: () => this.hands.move(-this.hands.lineHeight()),
      PageDown: () => this.page(1),
      PageUp: () => this.page(-1),
      " ": () => this.page(shiftKey ? -1 : 1),
      Home: () => this.hands.toEnd("start"),
      End: () => this.hands.toEnd("end"),
    }[key];
    if (!act) return;
    event.preventDefault();
    this.release();
    act();
  }

  #scrolled() {
    const { scrollTop } = this.scroller;
    const moved = scrollTop - this.top;
    if (Math.abs(moved) < OWN_PX) return;
    this.top = scrollTop;
    this.release();
    this.rest = setTimeout(() => this.#rested(), REST_MS);
    if (this.byTouch || this.byPointer) this.hands.move(moved);
    else this.hands.toBar(scrollTop);
  }

  #rested() {
    this.rest = 0;
    this.byTouch = this.fingers > 0;
    this.hands.onRest();
  }
}
