/** Who the page speaks for, as one answer follows another. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { doubts, noteStatus, reportUnknown, reportWho, session } from "../../js/server/session.js";

const ALICE = { principal: "local:alice", known_by: "session", role: "editor", roles: { "*": "editor" } };
const NOBODY = { principal: null, known_by: "nobody", role: null, roles: {} };

beforeEach(() => session.set({ kind: "asking", who: null }));

test("whoever was never known here is asked to sign in", () => {
  assert.equal(reportWho(NOBODY), false);
  assert.deepEqual(session.value, { kind: "out", who: NOBODY });
  assert.equal(reportWho(ALICE), false);
  assert.equal(session.value.kind, "in");
});

test("what one might is kept while a session has ended, and coming back is noticed once", () => {
  reportWho(ALICE);
  assert.equal(reportWho(NOBODY), false);
  assert.deepEqual(session.value, { kind: "ended", who: ALICE });
  assert.equal(reportWho(NOBODY), false);
  assert.equal(session.value.kind, "ended");
  assert.equal(reportWho(ALICE), true);
  assert.equal(reportWho(ALICE), false);
});

test("whoever is known in another way may take what was refused", () => {
  reportWho(ALICE);
  assert.equal(reportWho({ ...ALICE, known_by: "local" }), true);
  assert.equal(reportWho({ ...ALICE, known_by: "local", role: "admin" }), false);
  assert.equal(session.value.who.role, "admin");
});

test("the same answer changes nothing", () => {
  reportWho(ALICE);
  const before = session.value;
  reportWho({ ...ALICE });
  assert.equal(session.value, before);
});

test("where the server does not say who asks, the page goes on", () => {
  reportUnknown();
  assert.deepEqual(session.value, { kind: "in", who: null });
  reportWho(ALICE);
  reportUnknown();
  assert.equal(session.value.who, ALICE);
});

test("only what is refused for want of a right is a reason to ask", () => {
  let heard = 0;
  doubts.addEventListener("doubt", () => {
    heard += 1;
  });
  for (const status of [200, 0, 404, 500, 401, 403]) noteStatus(status);
  assert.equal(heard, 2);
});
