import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutEnd } from "../../js/base/trimming.js";

test("what a text ends with is left out, and nothing before", () => {
  assert.equal(withoutEnd("a\r\rb\r\r", "\r"), "a\r\rb");
  assert.equal(withoutEnd("why?!.", ".!?"), "why");
  assert.equal(withoutEnd("...", "."), "");
  assert.equal(withoutEnd("", "."), "");
});

test("a long run of such characters that something follows costs no more than any text", () => {
  const text = `${"\r".repeat(4_000_000)}x`; // looked at anew from each, it would take hours
  assert.equal(withoutEnd(text, "\r"), text);
});
