/** What the browser knows of the language: how it writes numbers, times and lists, and counts. */
import { language } from "./language.js";

/** Of each language, as its times are written: a day before its month, 24 hours. */
const LOCALES = { en: "en-GB", ru: "ru-RU" };
/** Making a formatter takes far longer than using it. @type {Map<string, object>} */
const made = new Map();

/**
 * @template T
 * @param {new (locale: string, options: object) => T} Kind of Intl
 * @param {object} [options]
 * @returns {T}
 */
function formatter(Kind, options = {}) {
  const locale = LOCALES[language.value];
  const name = `${locale} ${Kind.name} ${JSON.stringify(options)}`;
  if (!made.has(name)) made.set(name, new Kind(locale, options));
  return made.get(name);
}

/** @param {number} [digits] after the decimal point @returns {Intl.NumberFormat} */
export const numbers = (digits) =>
  formatter(Intl.NumberFormat, { minimumFractionDigits: digits ?? 0, maximumFractionDigits: digits ?? 3 });

/** @param {Intl.DateTimeFormatOptions} options @returns {Intl.DateTimeFormat} */
export const times = (options) => formatter(Intl.DateTimeFormat, options);

/** @param {number} count @returns {string} its plural category: "one", "few", "many" or "other" */
export const plural = (count) => formatter(Intl.PluralRules).select(count);

/** @param {string[]} items @returns {string} such as "one, two and three" */
export const list = (items) => formatter(Intl.ListFormat, { type: "conjunction" }).format(items);
