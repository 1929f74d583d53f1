import assert from "node:assert/strict";
import { test } from "node:test";
import { Served } from "../output/lines/served.mjs";

const { readAll } = await import("../../js/compare/reading.js");

const text = Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join("");
const asked = { tail: 1000, max_bytes: 1_000_000 };

test("a part is read with one request", async () => {
  const served = new Served(text);
  const part = await readAll("r", asked, { signal: new AbortController().signal });
  assert.equal(new TextDecoder().decode(part.bytes), text.slice(text.indexOf("line 2000\n")));
  assert.equal(served.asked.length, 1);
});

test("where the answer breaks off, the rest is read, and nothing twice", async () => {
  const served = new Served(text);
  served.mostBytes = 4000;
  const part = await readAll("r", asked, { signal: new AbortController().signal });
  assert.equal(new TextDecoder().decode(part.bytes), text.slice(text.indexOf("line 2000\n")));
  assert.equal(served.sent, part.bytes.length);
  assert.equal(served.asked.length, Math.ceil(part.bytes.length / 4000));
});

test("an answer that brings nothing is a problem", async () => {
  const served = new Served(text);
  served.mostBytes = 0;
  await assert.rejects(readAll("r", asked, { signal: new AbortController().signal }), { broken: true });
});
