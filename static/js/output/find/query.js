/** What is searched for in an output, as the address and the server name it, and as it is found in a row. Pure. */

/**
 * @typedef {object} Query
 * @property {string} text
 * @property {boolean} regex
 * @property {boolean} case
 * @property {boolean} word
 *
 * @typedef {object} Shown
 * @property {boolean} only whether lines that match are shown alone
 * @property {number} context how many lines around each of them then
 */

const SWITCHES = ["regex", "case", "word"];
/** How many lines around those that match can be chosen. */
export const CONTEXTS = [0, 1, 3, 10];
export const ALL = { only: false, context: 0 };
const LETTER = "[\\p{L}\\p{M}\\p{N}_]";
export const NOTHING = { text: "", regex: false, case: false, word: false };
/** What lines that tell of an error mostly hold. */
export const ERRORS = "error|fail(ed|ure)?\\b|fatal|exception|traceback|panic|critical|segfault|command not found";

/** @param {URLSearchParams} address @returns {Query} */
export function readQuery(address) {
  const named = Object.fromEntries(SWITCHES.map((name) => [name, address.get(name) === "1"]));
  return { ...NOTHING, ...named, text: address.get("find") ?? "" };
}

/** @param {URLSearchParams} address @returns {Shown} */
export function readShown(address) {
  const [only, context] = [address.get("only") === "1", Number(address.get("context"))];
  return { only, context: only && CONTEXTS.includes(context) ? context : 0 };
}

/**
 * @param {string} hash of the page's address
 * @param {Query} query
 * @returns {string} the path that names this search; what else it asks for stays
 */
export function pathWithQuery(hash, query) {
  const switches = SWITCHES.map((name) => [name, query.text && query[name] ? "1" : ""]);
  return pathWith(hash, { find: query.text, ...Object.fromEntries(switches) });
}

/** @param {string} hash of the page's address @param {Shown} shown @returns {string} the path that names it */
export const pathWithShown = (hash, { only, context }) =>
  pathWith(hash, { only: only ? "1" : "", context: only && context ? String(context) : "" });

/** @param {string} hash @param {Record<string, string>} values those that are empty are left out */
function pathWith(hash, values) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?");
  const address = new URLSearchParams(search);
  for (const [name, value] of Object.entries(values)) {
    if (value) address.set(name, value);
    else address.delete(name);
  }
  return path + (address.size ? `?${address}` : "");
}

/** @param {Query} query @returns {string} the same for the same searches */
export const keyOf = (query) => JSON.stringify([query.text, query.regex, query.case, query.word]);

/** @param {Query} query @returns {Record<string, string>} parameters of the server */
export function asked({ text, ...switches }) {
  const on = SWITCHES.filter((name) => switches[name]).map((name) => [name, "true"]);
  return { q: text, ...Object.fromEntries(on) };
}

/**
 * @param {Query} query
 * @returns {RegExp|null} what finds the same in a text; null where the browser cannot read the pattern
 */
export function expression({ text, regex, case: exact, word }) {
  const own = regex ? text : text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const source = word ? `(?<!${LETTER})(?:${own})(?!${LETTER})` : own;
  try {
    return new RegExp(source, exact ? "gu" : "giu");
  } catch {
    return null;
  }
}
