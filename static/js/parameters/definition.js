/** What a command says beyond its script, as a form holds it. Pure. */

/**
 * @typedef {import("../model/types.js").Parameter} Parameter
 * @typedef {Partial<Parameter>} Said a parameter with nothing but what is said of it
 *
 * @typedef {object} Definition
 * @property {string|null} key
 * @property {Said[]} parameters
 * @property {Record<string, string>} environment
 * @property {string|null} working_directory
 * @property {number|string|null} timeout_seconds a text, where it is no number: the server says what is wrong
 * @property {number|string|null} grace_seconds
 * @property {number|string|null} max_output_bytes
 * @property {string|null} output_policy
 * @property {{limit: number|string, beyond: string}|null} concurrency
 * @property {string|null} pool
 * @property {string[]} requires
 * @property {string|null} on_unreachable
 * @property {number|string|null} lost_after_seconds
 */

export const TYPES = ["string", "text", "integer", "number", "boolean", "choice", "date", "secret"];

/** The fields that parameters of a type have beyond those of every one. @type {Record<string, string[]>} */
const FURTHER = {
  string: ["default", "placeholder", "pattern", "max_length"],
  text: ["default", "placeholder", "pattern", "max_length"],
  integer: ["default", "placeholder", "min", "max"],
  number: ["default", "placeholder", "min", "max"],
  boolean: ["default"],
  choice: ["default", "choices"],
  date: ["default"],
  secret: ["placeholder", "pattern", "max_length"],
};

/** @param {string} type @returns {string[]} */
export const fieldsOf = (type) => FURTHER[type] ?? [];

const NUMBERS = ["min", "max", "max_length"];
const TEXTS = ["key", "working_directory", "output_policy", "pool", "on_unreachable"];
const AMOUNTS = ["timeout_seconds", "grace_seconds", "max_output_bytes", "lost_after_seconds"];

/** What becomes of a start beyond the limit of runs at a time; the first is the usual one. */
export const BEYOND = ["queue", "refuse", "replace"];

/** What becomes of a run whose host is away; the first is the usual one. */
export const ON_UNREACHABLE = ["wait", "lose", "retry"];

/** The names of the fields of a definition. */
export const DEFINITION = ["parameters", "environment", "concurrency", "requires", ...TEXTS, ...AMOUNTS];

/** The names of those that are one text each in a form. */
export const TEXT_FIELDS = [
  "environment",
  "concurrency.limit",
  "concurrency.beyond",
  "requires",
  ...TEXTS,
  ...AMOUNTS,
];

/** What a command says, with nothing that says nothing. @param {object} command @returns {Definition} */
export function definitionOf(command) {
  const one = (name) => command[name] ?? null;
  return {
    ...Object.fromEntries(["concurrency", ...TEXTS, ...AMOUNTS].map((name) => [name, one(name)])),
    parameters: (command.parameters ?? []).map(saidOf),
    environment: command.environment ?? {},
    requires: command.requires ?? [],
    on_unreachable: command.on_unreachable === ON_UNREACHABLE[0] ? null : one("on_unreachable"),
  };
}

/** @param {Said} parameter @returns {Said} */
function saidOf(parameter) {
  const said = Object.entries(parameter).filter(
    ([name, value]) => value !== null && value !== "" && !(name === "required" && !value) && !isEmptyList(value),
  );
  const fields = ["name", "type", "label", "description", "required", ...fieldsOf(parameter.type ?? "string")];
  return Object.fromEntries(said.filter(([name]) => fields.includes(name)));
}

const isEmptyList = (value) => Array.isArray(value) && value.length === 0;

/** A number, where a text is one: what is none is left to the server. @param {string} text */
const amount = (text) => (text.trim() === "" ? null : Number.isFinite(Number(text)) ? Number(text) : text);

/** @param {Record<string, string>} texts of the fields @param {Said[]} parameters @returns {Definition} */
export function definitionFrom(texts, parameters) {
  return {
    ...Object.fromEntries(TEXTS.map((name) => [name, texts[name].trim() || null])),
    ...Object.fromEntries(AMOUNTS.map((name) => [name, amount(texts[name])])),
    parameters: parameters.map((one) => saidOf(typed(one))),
    environment: variablesOf(texts.environment),
    concurrency: concurrencyFrom(amount(texts["concurrency.limit"]), texts["concurrency.beyond"]),
    requires: texts.requires.split(/[\s,]+/).filter((label) => label !== ""),
  };
}

/** Without a limit there is none, whatever was to become of what is beyond it. */
const concurrencyFrom = (limit, beyond) => (limit === null ? null : { limit, beyond });

/** A parameter whose numbers are numbers. @param {Said} parameter @returns {Said} */
function typed(parameter) {
  const numbers = NUMBERS.filter((name) => typeof parameter[name] === "string");
  return { ...parameter, ...Object.fromEntries(numbers.map((name) => [name, amount(parameter[name])])) };
}

/** Variables as lines, `NAME=value`; one whose value has several lines is written as JSON has it. */
export const linesOf = (variables) =>
  Object.entries(variables)
    .map(([name, value]) => `${name}=${/[\n\r"]/.test(value) ? JSON.stringify(value) : value}`)
    .join("\n");

/** @param {string} lines @returns {Record<string, string>} a line without a sign is a name, which the server refuses */
export function variablesOf(lines) {
  const named = lines.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(
    named.map((line) => {
      const at = line.includes("=") ? line.indexOf("=") : line.length;
      return [line.slice(0, at).trim(), unquoted(line.slice(at + 1))];
    }),
  );
}

function unquoted(text) {
  if (!text.startsWith('"')) return text;
  try {
    const read = JSON.parse(text);
    return typeof read === "string" ? read : text;
  } catch {
    return text;
  }
}

/** A list with an item somewhere else. @template T @param {T[]} list @param {number} from @param {number} to */
export function moved(list, from, to) {
  const others = list.filter((_, at) => at !== from);
  return [...others.slice(0, to), list[from], ...others.slice(to)];
}

/** What is wrong within one parameter, by its fields. @param {Record<string, string[]>} errors @param {number} at */
export function errorsOf(errors, at) {
  const prefix = `parameters.${at}.`;
  const found = Object.entries(errors).filter(([field]) => field.startsWith(prefix));
  return Object.fromEntries(found.map(([field, said]) => [field.slice(prefix.length), said]));
}

/** Whether two say the same. @param {object} one @param {object} other */
export const saysTheSame = (one, other) =>
  DEFINITION.every((name) => sorted(definitionOf(one)[name]) === sorted(definitionOf(other)[name]));

function sorted(value) {
  const order = (_, part) =>
    part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part;
  return JSON.stringify(value, order);
}
