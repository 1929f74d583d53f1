/** Addresses in text, as links. Pure. */
import { withoutEnd } from "../../base/trimming.js";
import { SIGN } from "./signs.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"`\x00-\x1f]+/gi;
/** What ends a sentence rather than an address. */
const AFTER = ".,;:!?'*_~";
const CLOSING = [
  ["(", ")"],
  ["[", "]"],
  ["{", "}"],
];

/**
 * @param {string} address
 * @returns {string|null} the address as a browser writes it; null where it is none of the web: nothing else is opened
 */
export function webAddress(address) {
  if (!URL.canParse(address)) return null;
  const { protocol, href } = new URL(address);
  return protocol === "http:" || protocol === "https:" ? href : null;
}

/** @param {string} found @returns {string} without what belongs to the sentence around it */
function trimmed(found) {
  let address = withoutEnd(found, AFTER);
  for (const [open, close] of CLOSING) {
    while (address.endsWith(close) && address.split(close).length > address.split(open).length) {
      address = withoutEnd(address.slice(0, -1), AFTER);
    }
  }
  return address;
}

/**
 * @param {string} text
 * @returns {{start: number, end: number, href: string}[]} where the addresses in it stand, in UTF-16 units
 */
function addresses(text) {
  const found = [];
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = webAddress(address);
    if (href) found.push({ start: match.index, end: match.index + address.length, href });
  }
  return found;
}

/**
 * @param {import("./render.js").Span[]} spans
 * @returns {import("./render.js").Span[]} the same text; what is an address, up to a sign, is a link, whatever its colours
 */
export function linked(spans) {
  const text = spans.map((span) => (span.style === SIGN ? " ".repeat(span.text.length) : span.text)).join("");
  if (!text.includes("://")) return spans;
  const found = addresses(text);
  const cuts = found.flatMap(({ start, end }) => [start, end]);
  let at = 0;
  return spans.flatMap((span) => {
    const start = at;
    at += span.text.length;
    const edges = [start, ...cuts.filter((cut) => cut > start && cut < at), at];
    return edges.slice(1).map((edge, i) => part(span, edges[i] - start, edge - start, hrefAt(found, edges[i])));
  });
}

const hrefAt = (found, at) => found.find(({ start, end }) => at >= start && at < end)?.href;

function part(span, start, end, href) {
  const piece = { ...span, text: span.text.slice(start, end) };
  return href && !span.href ? { ...piece, href } : piece;
}
