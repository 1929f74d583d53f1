/** What a search has found in the rows that are shown, highlighted; no element is added for it. */
import { expression } from "./query.js";

/** @typedef {import("./query.js").Query} Query */

/** More in one row are not told apart by anybody. */
const MOST_IN_ROW = 200;
const NAME = "find";

export class Highlights {
  constructor() {
    /** @type {RegExp|null} */
    this.pattern = null;
    /** @type {Map<HTMLElement, Range[]>} */
    this.ranges = new Map();
    this.all = typeof Highlight === "function" ? new Highlight() : null;
    if (this.all) CSS.highlights.set(NAME, this.all);
    this.decorate = (element, row) => this.#decorate(element, row);
  }

  /** @param {Query|null} query */
  set(query) {
    this.pattern = query?.text ? expression(query) : null;
  }

  dispose() {
    this.all?.clear();
    CSS.highlights?.delete(NAME);
  }

  #decorate(element, row) {
    for (const range of this.ranges.get(element) ?? []) this.all?.delete(range);
    this.ranges.delete(element);
    for (const [other] of this.ranges) if (!other.isConnected && other !== element) this.#forget(other);
    if (!row || !this.pattern || !this.all) return;
    const ranges = rangesIn(element.querySelector(".out-row__text"), this.pattern);
    for (const range of ranges) this.all.add(range);
    this.ranges.set(element, ranges);
  }

  #forget(element) {
    for (const range of this.ranges.get(element)) this.all?.delete(range);
    this.ranges.delete(element);
  }
}

/** @param {HTMLElement} host of text @param {RegExp} pattern @returns {Range[]} of what it matches, across elements */
function rangesIn(host, pattern) {
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
  const ranges = [];
  for (const match of host.textContent.matchAll(pattern)) {
    if (!match[0] || ranges.length >= MOST_IN_ROW) continue;
    const range = new Range();
    range.setStart(...place(match.index));
    range.setEnd(...place(match.index + match[0].length));
    ranges.push(range);
  }
  return ranges;
}
