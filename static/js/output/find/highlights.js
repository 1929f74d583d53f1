/** What a search has found in the rows that are shown, highlighted; no element is added for it. */
import { Matcher } from "./matcher.js";
import { matchesIn } from "./matches.js";
import { expression } from "./query.js";

/** @typedef {import("./query.js").Query} Query */

const NAME = "find";

export class Highlights {
  constructor() {
    /** @type {((text: string, take: (found: import("./matcher.js").Found) => void) => void)|null} */
    this.match = null;
    /** @type {Matcher|null} of a pattern that somebody wrote */
    this.matcher = null;
    /** @type {Map<HTMLElement, Range[]>} */
    this.ranges = new Map();
    this.all = typeof Highlight === "function" ? new Highlight() : null;
    if (this.all) CSS.highlights.set(NAME, this.all);
    this.decorate = (element, row) => this.#decorate(element, row);
  }

  /** @param {Query|null} query */
  set(query) {
    this.matcher?.end();
    this.matcher = null;
    this.match = null;
    const pattern = query?.text ? expression(query) : null;
    if (!pattern) return;
    if (query.regex) {
      this.matcher = new Matcher(pattern);
      this.match = (text, take) => this.matcher?.match(text, take);
    } else this.match = (text, take) => take(matchesIn(pattern, text));
  }

  dispose() {
    this.matcher?.end();
    this.all?.clear();
    CSS.highlights?.delete(NAME);
  }

  #decorate(element, row) {
    this.#forget(element);
    for (const [other] of this.ranges) if (!other.isConnected && other !== element) this.#forget(other);
    if (!row || row.beside || !this.match || !this.all) return;
    const host = element.querySelector(".out-row__text");
    const mine = [];
    this.ranges.set(element, mine);
    this.match(host.textContent, (found) => {
      if (this.ranges.get(element) !== mine) return; // another row is shown there by now
      mine.push(...rangesOf(host, found));
      for (const range of mine) this.all.add(range);
    });
  }

  #forget(element) {
    for (const range of this.ranges.get(element) ?? []) this.all?.delete(range);
    this.ranges.delete(element);
  }
}

/**
 * @param {HTMLElement} host of text
 * @param {import("./matcher.js").Found} found
 * @returns {Range[]} of it, across elements
 */
function rangesOf(host, found) {
  const nodes = [];
  let length = 0;
  const walker = document.createTreeWalker(host, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    nodes.push({ node: walker.currentNode, start: length });
    length += walker.currentNode.length;
  }
  const place = (at) => {
    const { node, start } = nodes.findLast((one) => one.start <= at);
    return [node, at - start];
  };
  return found.map(([start, end]) => {
    const range = new Range();
    range.setStart(...place(start));
    range.setEnd(...place(end));
    return range;
  });
}
