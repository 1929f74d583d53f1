/** Lines in the address of a run, `?line=120` or `?line=120-130`. Pure. */

/** @typedef {{first: number, last: number}} Lines */

const LINES = /^([1-9]\d{0,14})(?:-([1-9]\d{0,14}))?$/;

/** @param {string|null} text @returns {Lines|null} null: it names none */
export function parseLines(text) {
  const match = LINES.exec(text ?? "");
  if (!match) return null;
  const [one, other] = [Number(match[1]), Number(match[2] ?? match[1])];
  return { first: Math.min(one, other), last: Math.max(one, other) };
}

/** @param {Lines} lines @returns {string} */
export const formatLines = ({ first, last }) => (first === last ? String(first) : `${first}-${last}`);

/**
 * @param {string} hash of the page's address, `#/runs/…?…`
 * @param {Lines|null} lines
 * @returns {string} the path that names these lines; what else it asks for stays
 */
export function pathWithLines(hash, lines) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?");
  const query = new URLSearchParams(search);
  if (lines) query.set("line", formatLines(lines));
  else query.delete("line");
  return path + (query.size ? `?${query}` : "");
}

/**
 * @param {Lines|null} chosen
 * @param {number} line whose number was clicked
 * @param {number|null} anchor where a range began
 * @returns {Lines|null} what is chosen then: that line, up to it from the anchor, or, where it was the only one, none
 */
export function afterClick(chosen, line, anchor) {
  if (anchor !== null) return { first: Math.min(anchor, line), last: Math.max(anchor, line) };
  return chosen?.first === line && chosen.last === line ? null : { first: line, last: line };
}
