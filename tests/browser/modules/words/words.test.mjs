/** All words of the page, in each language. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { EN } from "../../js/words/en.js";
import { language, LANGUAGES, languageFor, speak } from "../../js/words/language.js";
import { RU } from "../../js/words/ru.js";
import { known, phrase, t } from "../../js/words/words.js";

const TABLES = { en: EN, ru: RU };
const SCRIPTS = new URL("../../js/", import.meta.url);

const forms = (text) => (typeof text === "string" ? { always: text } : text);
const places = (text) => new Set(text.match(/\{\w+\}/g) ?? []);
const scripts = readdirSync(SCRIPTS, { recursive: true })
  .filter((path) => path.endsWith(".js") && !/^words.(en|ru)\.js$/.test(path))
  .map((path) => readFileSync(new URL(path, SCRIPTS), "utf8"))
  .join("\n");

test("each language has the same keys in the same order", () => {
  assert.deepEqual(Object.keys(TABLES), Object.keys(LANGUAGES));
  for (const table of Object.values(TABLES)) assert.deepEqual(Object.keys(table), Object.keys(EN));
});

test("a text has the same values in each language, and in each of its plural forms", () => {
  for (const [key, text] of Object.entries(EN)) {
    const expected = places(Object.values(forms(text)).join());
    for (const [tag, table] of Object.entries(TABLES))
      for (const form of Object.values(forms(table[key]))) assert.deepEqual(places(form), expected, `${tag} ${key}`);
  }
});

test("a text that counts has every plural form of its language", () => {
  for (const [tag, table] of Object.entries(TABLES)) {
    const { pluralCategories } = new Intl.PluralRules(tag).resolvedOptions();
    for (const [key, text] of Object.entries(table)) {
      assert.equal(typeof text, typeof EN[key], key);
      if (typeof text !== "string") assert.deepEqual(Object.keys(text).sort(), [...pluralCategories].sort(), key);
    }
  }
});

test("every text that a script asks for is there, and every text is asked for", () => {
  const asked = [...scripts.matchAll(/\b(?:t|phrase|known)\(\s*"([^"]+)"/g)].map(([, key]) => key);
  assert.ok(asked.length > 10);
  assert.deepEqual(asked.filter((key) => !Object.hasOwn(EN, key)), []);
  const begun = [...scripts.matchAll(/`([a-z][\w-]*\.(?:[\w-]+\.)*)\$\{/g)].map(([, start]) => start);
  const isAsked = (key) => scripts.includes(`"${key}"`) || begun.some((start) => key.startsWith(start));
  assert.deepEqual(Object.keys(EN).filter((key) => !isAsked(key)), []);
});

test("numbers are written, and counted, as the language does", () => {
  const said = (tag) => {
    speak(tag);
    return [1, 2, 5, 21, 1_234_567].map((count) => t("n.lines", { count }));
  };
  assert.deepEqual(said("en"), ["1 line", "2 lines", "5 lines", "21 lines", "1,234,567 lines"]);
  const russian = ["1 строка", "2 строки", "5 строк", "21 строка", "1 234 567 строк"];
  assert.deepEqual(said("ru").map((text) => text.replaceAll("\u00a0", " ")), russian);
  speak("en");
});

test("elements stand where their names do", () => {
  const element = { type: "bdi" };
  assert.deepEqual(phrase("end.code", { code: element }), ["exit code ", element, ""]);
});

test("what is not there is shown, not hidden", () => {
  assert.equal(t("no.such.text"), "no.such.text");
  assert.equal(t("end.code"), "exit code {code}");
  assert.equal(known("state.of a later version", "of a later version"), "of a later version");
  assert.equal(known("state.lost", "lost"), "Lost");
});

test("the language is the one chosen, else the first of the browser's that there is, else English", () => {
  assert.equal(languageFor("ru", ["en-GB"]), "ru");
  assert.equal(languageFor(null, ["fr-FR", "ru-RU", "en"]), "ru");
  assert.equal(languageFor("xx", ["fr", "EN-us", "ru"]), "en");
  assert.equal(languageFor(null, []), "en");
  assert.equal(languageFor("constructor", []), "en");
});

test("whoever watches the language hears of a change", () => {
  const heard = [];
  const end = language.watch((tag) => heard.push(tag));
  speak("ru");
  speak("en");
  end();
  assert.deepEqual(heard, ["ru", "en"]);
});
