/** No script says anything in one language alone: what people read comes from the tables. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const SCRIPTS = new URL("../../js/", import.meta.url);
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|[\s;{}])\/\/.*$/gm;
/** Between tags: a word of three letters or more that is not the name of the product or in a hole of the template. */
const BETWEEN_TAGS = />([^<>{}$`]*[A-Za-z]{3}[^<>{}$`]*)<\//g;
/** What a screen reader or a person reads of an attribute, or of a component of ours. */
const ATTRIBUTE = /\s(?:label|title|hint|alt|placeholder|aria-label|action|description)="([^"]*[A-Za-z]{2}[^"]*)"/g;
/** A string with a sentence in it: it begins as one does, and has two words. */
const SENTENCE = /(["`])([A-Z][a-z]+,? [a-z][^"`\n]*)\1/g;
/** Names and examples, which are the same in every language. */
const NAMES = new Set(["Tailrun", "API", "Ctrl", "Enter"]);

/** @param {string} script @returns {string[]} what it says in its own words */
export function literals(script) {
  const code = script.replace(COMMENT, "");
  const found = [BETWEEN_TAGS, ATTRIBUTE].flatMap((rule) => [...code.matchAll(rule)].map(([, text]) => text));
  found.push(...[...code.matchAll(SENTENCE)].map(([, , text]) => text));
  return found.map((text) => text.trim()).filter((text) => !NAMES.has(text));
}

test("the rule finds what a person would read", () => {
  const found = (script) => literals(script).length;
  assert.equal(found("html`<p>Nothing here</p>`"), 1);
  assert.equal(found('html`<${Button} label="Stop" />`'), 1);
  assert.equal(found('showNotice("Copied the link.")'), 1);
  assert.equal(found("const text = `Reconnecting at ${at}`;"), 1);
  assert.equal(found('/** Says "Hello there". */ html`<p class="note">${t("run.stop")}</p>`'), 0);
});

test("what people read comes from the tables of words", () => {
  const said = readdirSync(SCRIPTS, { recursive: true })
    .filter((path) => path.endsWith(".js") && !/^words.(en|ru)\.js$/.test(path))
    .flatMap((path) => literals(readFileSync(new URL(path, SCRIPTS), "utf8")).map((text) => `${path}: ${text}`));
  assert.deepEqual(said, []);
});
