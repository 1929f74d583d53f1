/** The language of the page: the one that was chosen here, or else the first of the browser's that it has words in. */
import { readPreference, storePreference } from "../base/preferences.js";
import { Store, useStore } from "../base/store.js";

/** @typedef {"en"|"ru"} Language */

/** Each by its tag, as those who speak it call it. @type {Record<Language, string>} */
export const LANGUAGES = { en: "English", ru: "Русский" };

const PREFERENCE = "language";
const USUAL = "en";

/**
 * @param {string|null} chosen here, before
 * @param {readonly string[]} wanted the browser's languages, the best first, such as "ru-RU"
 * @returns {Language}
 */
export function languageFor(chosen, wanted) {
  const tags = [chosen ?? "", ...wanted].map((tag) => tag.toLowerCase().split("-")[0]);
  return tags.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? USUAL;
}

/** What all words are in, now. @type {Store<Language>} */
export const language = new Store(languageFor(readPreference(PREFERENCE), globalThis.navigator?.languages ?? []));

/** Changes it, here and whenever this browser comes again. @param {Language} chosen */
export function speak(chosen) {
  storePreference(PREFERENCE, chosen);
  language.set(chosen);
}

/** The language, drawing a component again at each change of it. @returns {Language} */
export const useLanguage = () => useStore(language);
