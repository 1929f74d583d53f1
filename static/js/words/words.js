/**
 * All words of the page, by key, in the language of the person who reads it.
 *
 * A text is looked up when it is drawn, never when a module is loaded: the language may change between.
 */
import { EN } from "./en.js";
import { language } from "./language.js";
import { numbers, plural } from "./locale.js";
import { RU } from "./ru.js";

/**
 * @typedef {string|Record<string, string>} Text with `{name}` for a value; where it depends on the value `count`, by
 * the plural categories of the language (`one`, `few`, `many`, `other`)
 */

/** @type {Record<import("./language.js").Language, Record<string, Text>>} */
const TABLES = { en: EN, ru: RU };
const PLACE = /\{(\w+)\}/;

/**
 * @param {string} key such as "run.started"
 * @param {Record<string, string|number>} [values] by name; numbers are written as the language does
 * @returns {string} the key itself where there is no such text
 */
export const t = (key, values = {}) => phrase(key, values).join("");

/**
 * A text with elements in it, such as a name in `<bdi>`.
 * @param {string} key
 * @param {Record<string, unknown>} values by name
 * @returns {unknown[]} what stands for it among an element's children
 */
export function phrase(key, values) {
  const parts = textOf(key, values).split(PLACE);
  return parts.map((part, i) => (i % 2 === 0 ? part : written(values, part)));
}

/**
 * @param {string} key such as "state.failed"
 * @param {string} otherwise what is said where there is no such text, as for what a later version of the server knows
 * @returns {string}
 */
export const known = (key, otherwise) => (Object.hasOwn(TABLES[language.value], key) ? t(key) : otherwise);

function textOf(key, values) {
  const text = TABLES[language.value][key] ?? key;
  return typeof text === "string" ? text : text[plural(values.count)];
}

function written(values, name) {
  const value = values[name] ?? `{${name}}`;
  return typeof value === "number" ? numbers().format(value) : value;
}
