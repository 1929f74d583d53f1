/** Who may do what, and who did what, in words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { actText, detailsText, failedSignIn, inGroup, knownByText, tokenState } from "../../js/words/access.js";

test("a token is valid until it is revoked or its time is over", () => {
  const token = { revoked_at: null, expires_at: "2026-01-01T00:00:10Z" };
  const at = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(tokenState(token, at), "valid");
  assert.equal(tokenState(token, at + 10_000), "expired");
  assert.equal(tokenState({ ...token, revoked_at: "2025-12-31T00:00:00Z" }, at), "revoked");
});

test("every group has a name of its own", () => {
  assert.deepEqual(["*", "deploy"].map(inGroup), ["in every group", "in deploy"]);
});

test("what a later version knows is said as it is", () => {
  assert.equal(actText("command.start"), "started a run");
  assert.equal(actText("command.frobnicate"), "command.frobnicate");
  assert.equal(knownByText("badge"), "by badge");
  assert.equal(failedSignIn("<b>"), "You were not signed in: sign in again.");
});

test("details are told by name", () => {
  assert.equal(detailsText({ signal: "TERM", grace_seconds: 5, groups: ["a"] }), 'signal: TERM, grace seconds: 5, groups: ["a"]');
  assert.equal(detailsText({}), "");
  assert.equal(detailsText({ token: "2636f33a-9db5-461c-848d-5f3da56a9189" }), "token: 2636f33a");
});
