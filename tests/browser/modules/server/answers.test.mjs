/** What an answer says, and whose it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem, problemOf, stateAfter } from "../../js/server/answers.js";

const HTML = { "Content-Type": "text/html" };
const JSON_PROBLEM = { "Content-Type": "application/problem+json" };

function problem(status, body, headers = {}) {
  return problemOf(new Response(JSON.stringify(body), { status, headers: { ...JSON_PROBLEM, ...headers } }));
}

const foreign = (status, statusText) => problemOf(new Response("<h1>No</h1>", { status, statusText, headers: HTML }));

for (const status of [400, 403, 404, 405, 409, 410, 412, 413, 415, 416, 422]) {
  test(`Tailrun's ${status} is reported in its own words, and is final`, async () => {
    const { message, final, ...about } = await problem(status, { status, title: "T", detail: "In its own words." });
    assert.deepEqual([message, final, about.status], ["In its own words.", true, status]);
    assert.deepEqual(stateAfter({ message, final, ...about }), { kind: "ok" });
  });
}

test("a problem that may pass is not final, and is reported of the server", async () => {
  const away = await problem(503, { detail: "The database is away." }, { "Retry-After": "2" });
  assert.deepEqual([away.final, away.retryAfterSeconds], [false, 2]);
  assert.deepEqual(stateAfter(away), { kind: "degraded", detail: "The database is away." });
  assert.equal((await problem(500, { detail: "It failed." })).final, false);
  assert.equal((await problem(408, { detail: "Too slow." })).final, false);
});

test("messages are kept by field", async () => {
  const { errors } = await problem(422, { detail: "name: Too long.", errors: { name: ["Too long."], x: { 0: "No." } } });
  assert.deepEqual(errors, { name: ["Too long."], x: ['{"0":"No."}'] });
});

test("what a proxy answers is not taken for Tailrun's", async () => {
  for (const [status, text] of [[200, "OK"], [403, "Forbidden"], [404, "Not Found"], [405, "Not Allowed"]]) {
    const { message, status: told, final } = await foreign(status, text);
    assert.deepEqual([message, told, final], [`A proxy answered instead of Tailrun: ${status} ${text}.`, 0, false]);
  }
  assert.equal((await foreign(418, "")).message, "A proxy answered instead of Tailrun: 418.");
  assert.equal(stateAfter(await foreign(403, "Forbidden")).kind, "degraded");
});

test("a proxy that does not reach Tailrun is no answer", async () => {
  for (const status of [502, 503, 504]) {
    const problem = await foreign(status, "");
    assert.equal(problem.message, "The server does not answer.");
    assert.deepEqual(stateAfter(problem), { kind: "unreachable" });
  }
});

test("a redirect comes from a proxy that requires a sign-in", async () => {
  const redirect = { type: "opaqueredirect", status: 0, statusText: "", headers: new Headers() };
  const problem = await problemOf(/** @type {any} */ (redirect));
  assert.match(problem.message, /sign in again/);
  assert.deepEqual([problem.final, stateAfter(problem).kind], [false, "degraded"]);
});

test("no answer at all means that the server is unreachable", () => {
  assert.deepEqual(stateAfter(new Problem("Nothing.")), { kind: "unreachable" });
});
