/**
 * Keeps a scroller at its end until the user scrolls away; once the user is back at the end, it follows again.
 *
 * The content changes its height by itself (rows are dropped, estimates are replaced), so a scroll event alone does not
 * mean that the user scrolled: only one that follows a wheel, key, touch or pointer event does.
 */

const NEAR_END_PX = 4;
const INTENT_MS = 1000;
const PAGE = 0.9;
const INTENTS = ["wheel", "keydown", "touchmove", "pointerdown"];

/** @typedef {"start"|"end"|"back"|"on"} Place back and on: a page of what is shown */

export class FollowingScroll {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content all that scrolls
   * @param {(following: boolean) => void} wish a person wants to follow, or no more
   */
  constructor(scroller, content, wish) {
    Object.assign(this, { scroller, wish, following: true, lastTop: 0, intentUntil: 0 });
    this.onIntent = () => {
      this.intentUntil = performance.now() + INTENT_MS;
    };
    this.onScroll = () => this.#scrolled();
    for (const type of INTENTS) scroller.addEventListener(type, this.onIntent, { passive: true });
    scroller.addEventListener("scroll", this.onScroll, { passive: true });
    this.resizes = new ResizeObserver(() => this.stick());
    this.resizes.observe(scroller);
    this.resizes.observe(content);
  }

  /** Scrolls to the end, if it follows. */
  stick() {
    if (!this.following) return;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.lastTop = this.scroller.scrollTop;
  }

  /** Changes what is above what is seen, which stays where it is. @param {() => void} change */
  keepPlace(change) {
    const { scrollTop, scrollHeight } = this.scroller;
    change();
    this.scroller.scrollTop = scrollTop - scrollHeight + this.scroller.scrollHeight;
    this.lastTop = this.scroller.scrollTop;
  }

  /** Goes where a person asked to go. @param {Place} place */
  goTo(place) {
    this.onIntent();
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const page = clientHeight * PAGE;
    this.scroller.scrollTop = { start: 0, end: scrollHeight, back: scrollTop - page, on: scrollTop + page }[place];
  }

  dispose() {
    this.resizes.disconnect();
    for (const type of INTENTS) this.scroller.removeEventListener(type, this.onIntent);
    this.scroller.removeEventListener("scroll", this.onScroll);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const moved = scrollTop - this.lastTop;
    this.lastTop = scrollTop;
    if (performance.now() > this.intentUntil) return;
    const atEnd = scrollHeight - clientHeight - scrollTop <= NEAR_END_PX;
    if (this.following && moved < 0 && !atEnd) this.wish(false);
    else if (!this.following && moved > 0 && atEnd) this.wish(true);
  }
}
