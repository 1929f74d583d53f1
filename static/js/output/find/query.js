/** What is searched for in an output, as the address and the server name it, and as it is found in a row. Pure. */

/**
 * @typedef {object} Query
 * @property {string} text
 * @property {boolean} regex
 * @property {boolean} case
 * @property {boolean} word
 */

const SWITCHES = ["regex", "case", "word"];
const LETTER = "[\\p{L}\\p{M}\\p{N}_]";
export const NOTHING = { text: "", regex: false, case: false, word: false };
/** What lines that tell of an error mostly hold. */
export const ERRORS = "error|fail(ed|ure)?\\b|fatal|exception|traceback|panic|critical|segfault|command not found";

/** @param {URLSearchParams} address @returns {Query} */
export function readQuery(address) {
  const named = Object.fromEntries(SWITCHES.map((name) => [name, address.get(name) === "1"]));
  return { ...NOTHING, ...named, text: address.get("find") ?? "" };
}

/**
 * @param {string} hash of the page's address
 * @param {Query} query
 * @returns {string} the path that names this search; what else it asks for stays
 */
export function pathWithQuery(hash, query) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?");
  const address = new URLSearchParams(search);
  const set = (name, value) => (value ? address.set(name, value) : address.delete(name));
  set("find", query.text);
  for (const name of SWITCHES) set(name, query.text && query[name] ? "1" : "");
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
