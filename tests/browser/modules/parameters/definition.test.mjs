/** What a form holds of a definition and of values, and what is sent of that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  definitionFrom,
  definitionOf,
  errorsOf,
  linesOf,
  moved,
  saysTheSame,
  variablesOf,
} from "../../js/parameters/definition.js";
import { firstTexts, takesValues, valuesOf, wrongValues } from "../../js/parameters/values.js";

const NOTHING = { default: null, label: null, min: null, max: null, choices: [], required: false };
const DAY = { ...NOTHING, name: "DAY", type: "choice", choices: ["mon", "tue"], required: true };
const NOTES = { ...NOTHING, name: "NOTES", type: "text", default: "none" };
const COUNT = { ...NOTHING, name: "COUNT", type: "integer", min: 0, default: 3 };
const TOKEN = { ...NOTHING, name: "TOKEN", type: "secret" };

test("variables are the same after they were written as lines", () => {
  for (const variables of [{}, { A: "b=c d", B: "" }, { C: 'one\n"two"', D: '"', E: "é🎈\\n" }]) {
    assert.deepEqual(variablesOf(linesOf(variables)), variables);
  }
  assert.deepEqual(variablesOf('A\n\n B = c\nD="open'), { A: "", B: " c", D: '"open' });
});

test("of a command is kept what it says, and what fits the type", () => {
  const said = definitionOf({ parameters: [DAY, COUNT, { ...NOTES, choices: ["left"] }], environment: {} });
  assert.deepEqual(said.parameters, [
    { name: "DAY", type: "choice", choices: ["mon", "tue"], required: true },
    { name: "COUNT", type: "integer", min: 0, default: 3 },
    { name: "NOTES", type: "text", default: "none" },
  ]);
});

test("what stands in the fields is what is sent, and what is no number is left to the server", () => {
  const texts = { key: " k ", working_directory: "", output_policy: "", timeout_seconds: "60", grace_seconds: "soon" };
  const parameters = [{ name: "N", type: "integer", min: "1", max: "", label: "" }];
  const turns = { "concurrency.limit": " 2", "concurrency.beyond": "refuse" };
  const worker = { pool: "build ", requires: "gpu=yes, arch=arm64  ", on_unreachable: "lose", lost_after_seconds: "90" };
  const all = { ...texts, ...turns, ...worker, max_output_bytes: " ", environment: "A=b" };
  const said = definitionFrom(all, parameters);
  assert.deepEqual(said, {
    key: "k",
    working_directory: null,
    output_policy: null,
    timeout_seconds: 60,
    grace_seconds: "soon",
    max_output_bytes: null,
    parameters: [{ name: "N", type: "integer", min: 1 }],
    environment: { A: "b" },
    concurrency: { limit: 2, beyond: "refuse" },
    pool: "build",
    requires: ["gpu=yes", "arch=arm64"],
    on_unreachable: "lose",
    lost_after_seconds: 90,
  });
  assert.equal(definitionFrom({ ...all, "concurrency.limit": " " }, parameters).concurrency, null);
});

test("two say the same whatever the order of their fields, and not in another order of parameters", () => {
  const one = { parameters: [DAY, COUNT], environment: { A: "1", B: "2" } };
  assert.ok(saysTheSame(one, { environment: { B: "2", A: "1" }, parameters: [{ ...DAY }, COUNT], key: null }));
  assert.ok(saysTheSame({}, { parameters: [], environment: {} }));
  assert.ok(!saysTheSame(one, { ...one, parameters: [COUNT, DAY] }));
  const turns = { limit: 1, beyond: "queue" };
  assert.ok(saysTheSame({ concurrency: turns }, { concurrency: { beyond: "queue", limit: 1 } }));
  assert.ok(saysTheSame({ on_unreachable: "wait" }, {}));
  assert.ok(!saysTheSame({ concurrency: turns }, { concurrency: { ...turns, beyond: "replace" } }));
});

test("an item is moved, and what is wrong within one is found", () => {
  assert.deepEqual(moved(["a", "b", "c"], 2, 0), ["c", "a", "b"]);
  assert.deepEqual(moved(["a", "b", "c"], 0, 1), ["b", "a", "c"]);
  const errors = { "parameters.1.name": ["short"], "parameters.10.name": ["long"], name: ["none"] };
  assert.deepEqual(errorsOf(errors, 1), { name: ["short"] });
});

test("fields hold what was used last where that still fits, else the default, and no secret", () => {
  const parameters = [DAY, NOTES, COUNT, TOKEN];
  const nothing = { DAY: "", NOTES: "none", COUNT: "3", TOKEN: "" };
  assert.deepEqual(firstTexts(parameters, null), nothing);
  assert.deepEqual(firstTexts(parameters, { DAY: "sun", COUNT: 0, NOTES: "" }), { ...nothing, COUNT: "0", NOTES: "" });
});

test("what is empty is not given, but for a text that has a default", () => {
  const texts = { DAY: "mon", NOTES: "", COUNT: "", TOKEN: "" };
  assert.deepEqual(valuesOf([DAY, NOTES, COUNT, TOKEN], texts), { DAY: "mon", NOTES: "" });
});

test("whoever starts a command is asked where it takes values, or may", () => {
  assert.equal(takesValues({ parameters: [] }), false);
  assert.equal(takesValues({}), false);
  assert.equal(takesValues({ parameters: [DAY] }), true);
  assert.equal(takesValues({ parameters: [], options_truncated: true }), true);
  assert.deepEqual(wrongValues({ "parameters.DAY": ["no"], body: ["no"] }), { DAY: ["no"] });
});
