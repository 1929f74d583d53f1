/** The HTTP API as functions; every failure becomes a Problem. */
import { brokenOff, isJson, noAnswer, Problem, problemOf, rangeDropped, stateAfter, tooSlow } from "./answers.js";
import { isBegun, takeBegun } from "./begun.js";
import { noteServerTime } from "./clock.js";
import { withIdempotencyKey } from "./idempotency.js";
import { noteStatus } from "./session.js";
import { backOff, reportServer, retryEvents, serverState } from "./state.js";

const READ_MS = 10_000;
/** A change must not time out before the server's own database timeout; output may take as long. */
const LONG_MS = 30_000;
const PING_MS = 3000;
const PARTIAL_CONTENT = 206;

/** The page may stand at any path, behind a proxy. @param {string} path below api/v1 @returns {string} */
export const apiUrl = (path) => new URL(`api/v1${path}`, document.baseURI).href;

/**
 * Pings the server and reports the result to the whole page.
 * @returns {Promise<boolean>} whether it is Tailrun that answers, and soon
 */
export async function checkServer() {
  let problem = null;
  try {
    const response = await fetch(apiUrl("/ping"), { redirect: "manual", signal: AbortSignal.timeout(PING_MS) });
    if (!response.ok || !isJson(response)) problem = await problemOf(response);
  } catch {
    problem = noAnswer();
  }
  reportServer(stateAfter(problem));
  return problem === null || problem.status > 0;
}

/** Waits until a server that does not answer is back. @returns {Promise<boolean>} whether it had to be waited for */
export async function serverBack() {
  if ((await checkServer()) || serverState.value.kind !== "unreachable") return false;
  return new Promise((resolve) => {
    const unwatch = serverState.watch(({ kind }) => {
      if (kind === "unreachable") return;
      unwatch();
      resolve(true);
    });
  });
}

let nextCheck = 0;

/** Pings an unreachable server until it answers: not every screen polls. @param {number} failures so far, from 1 */
function checkUntilReachable(failures) {
  clearTimeout(nextCheck);
  if (serverState.value.kind !== "unreachable") return;
  nextCheck = setTimeout(async () => {
    if (document.visibilityState === "visible") await checkServer();
    checkUntilReachable(failures + 1);
  }, backOff(failures));
}

serverState.watch(() => checkUntilReachable(1));
retryEvents.addEventListener("now", () => serverState.value.kind === "unreachable" && checkServer());

/**
 * One attempt, limited in time.
 * @template T
 * @param {string} url
 * @param {RequestInit} init
 * @param {number} ms
 * @param {(response: Response) => Promise<T>} take what to make of the answer, within that time
 * @param {boolean} polls whether the page repeats it by itself, as the banner then says
 * @returns {Promise<T>} rejects with a Problem, or with an AbortError where the caller's signal asked for it
 */
async function fetchWithin(url, init, ms, take, polls) {
  const bound = AbortSignal.timeout(ms);
  const signal = init.signal ? AbortSignal.any([init.signal, bound]) : bound;
  try {
    const begun = takeBegun(url, { ...init, signal });
    const response = await (begun ?? fetch(url, { ...init, signal, redirect: "manual" }));
    if (!begun) noteServerTime(response.headers.get("Date"));
    const value = await take(response);
    reportServer({ kind: "ok" });
    return value;
  } catch (error) {
    if (init.signal?.aborted) throw error;
    const slow = bound.aborted && (await checkServer());
    const problem = error instanceof Problem ? error : slow ? tooSlow() : noAnswer();
    const state = stateAfter(problem);
    // What nobody repeats, and what is read of an output, is reported where it was asked for.
    if (state.kind !== "degraded" || polls) reportServer(state);
    throw problem;
  }
}

/** @param {Response} response @returns {Promise<any>} the JSON; an object with its version in `etag` */
async function valueOf(response) {
  if (response.status === 204) return null;
  if (!response.ok || !isJson(response)) throw await problemOf(response);
  const etag = response.headers.get("ETag");
  return etag ? { ...(await response.json()), etag } : response.json();
}

/**
 * @param {string} method
 * @param {string} path below api/v1
 * @param {{body?: object, signal?: AbortSignal, headers?: Record<string, string>}} [options]
 */
export function ask(method, path, { body, signal, headers = {} } = {}) {
  const init = { method, signal, headers: { Accept: "application/json", ...headers } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const reads = method === "GET";
  return fetchWithin(apiUrl(path), init, reads ? READ_MS : LONG_MS, valueOf, reads);
}

/** As `ask`; where nobody's request is refused, the whole page learns of it. */
export const request = (method, path, options) => noted(ask(method, path, options));

/** @template T @param {Promise<T>} answer @returns {Promise<T>} */
async function noted(answer) {
  try {
    return await answer;
  } catch (problem) {
    noteStatus(problem.status);
    throw problem;
  }
}

/** Makes something, and the same again where the answer was lost. @param {string} path @param {object} body */
const make = (path, body) =>
  withIdempotencyKey(path + JSON.stringify(body), (key) =>
    request("POST", path, { body, headers: { "Idempotency-Key": key } }),
  );

/** @param {Record<string, string|number|boolean|null|undefined>} values */
export function query(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return kept.length ? "?" + new URLSearchParams(kept.map(([name, value]) => [name, String(value)])) : "";
}

const command = (id) => `/commands/${encodeURIComponent(id)}`;
const run = (id) => `/runs/${encodeURIComponent(id)}`;

export const listCommands = (values, options) => request("GET", "/commands/" + query(values), options);
export const getCommand = (id, options) => request("GET", command(id), options);
export const createCommand = (fields) => make("/commands/", fields);
/** @param {string} [etag] the version that is replaced; 412 where it is another by now */
export const replaceCommand = (id, fields, etag) =>
  request("PUT", command(id), { body: fields, headers: etag ? { "If-Match": etag } : {} });
/** What its interpreter says of a script. Nobody's work hangs on it. */
export const checkScript = (script) => ask("POST", "/scripts/check", { body: { script } });
export const deleteCommand = (id) => request("DELETE", command(id));
/** @param {string} id @param {Record<string, string|number|boolean>} [parameters] their values */
export const startRun = (id, parameters = {}) =>
  make(command(id) + "/runs", Object.keys(parameters).length > 0 ? { parameters } : {});
export const listRunsOf = (id, values, options) => request("GET", command(id) + "/runs" + query(values), options);
export const listRuns = (values, options) => request("GET", "/runs/" + query(values), options);
export const getRun = (id, options) => request("GET", run(id), options);
/** What was asked before the page's modules were there; null: nothing was, of this run. @param {string} id */
export const getBegunRun = (id) => (isBegun(apiUrl(run(id))) ? getRun(id) : null);
/** @param {string[]} ids 500 at most @returns {Promise<{items: {id: string, outcome: string}[]}>} */
export const deleteRuns = (ids) => request("POST", "/runs/delete", { body: { ids } });
export const getRunScript = (id, options) => request("GET", run(id) + "/script", options);
export const deleteRun = (id) => request("DELETE", run(id));
export const stopRun = (id, how = {}) => request("POST", run(id) + "/stop", { body: how });
/** Ends a run as lost whose host is away. @param {string} id */
export const abandonRun = (id) => request("POST", run(id) + "/abandon");
export const signalRun = (id, signal) => request("POST", run(id) + "/signal", { body: { signal } });

/** @param {string} id */
export const outputUrl = (id) => apiUrl(run(id) + "/output");

/**
 * @param {Response} response to a request for a range
 * @param {number} from offset
 * @param {number} to offset
 * @returns {Promise<Uint8Array>} the bytes received, all of them or, where the answer broke off, the first ones
 */
async function bytesOf(response, from, to) {
  const isOutput = response.ok && /^text\/plain/.test(response.headers.get("Content-Type") ?? "");
  if (!isOutput) throw await problemOf(response);
  const isWhole = response.status !== PARTIAL_CONTENT;
  if (isWhole && from > 0) throw rangeDropped();
  const parts = [];
  const reader = response.body.getReader();
  let received = 0;
  try {
    while (received < to - from) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      received += value.length;
    }
  } catch (error) {
    const timedOut = error instanceof DOMException;
    if (parts.length === 0) throw timedOut ? error : brokenOff();
  }
  if (isWhole) reader.cancel().catch(() => {});
  return joined(parts, received).subarray(0, to - from);
}

/** Not as a Blob, which another process would hold. @param {Uint8Array[]} parts @param {number} size of all @returns {Uint8Array} */
function joined(parts, size) {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * @param {string} id
 * @param {number} from offset
 * @param {number} to offset of the first byte that is not wanted
 * @param {{signal: AbortSignal}} options
 * @returns {Promise<Uint8Array>} the bytes, or where the answer broke off the first of them
 */
export function readOutput(id, from, to, { signal }) {
  const headers = { Range: `bytes=${from}-${to - 1}` };
  const take = (response) => bytesOf(response, from, to);
  return noted(fetchWithin(outputUrl(id), { signal, headers }, LONG_MS, take, false));
}

/** @param {string} id @param {object} values of the search @param {{signal: AbortSignal}} options */
export const searchRun = (id, values, options) => request("GET", run(id) + "/search" + query(values), options);

/** @param {string} id @param {{first: number, last: number}} lines @param {{signal: AbortSignal}} options */
export const listMarks = (id, { first, last }, options) =>
  request("GET", run(id) + "/marks" + query({ lines: `${first}-${last}` }), options);

/**
 * @typedef {object} Part a stretch of an output
 * @property {Uint8Array} bytes
 * @property {number} offset of the first one
 * @property {number} next the offset after the last one that there is of it, also where fewer came
 * @property {number} line that the first one is of
 * @property {number} lines of the output now; an unfinished last one counts
 * @property {number} size of the output now
 */

/**
 * @param {string} id
 * @param {{max_bytes: number, lines?: string, tail?: number, offset?: number}} part
 * @param {{signal: AbortSignal}} options
 * @returns {Promise<Part>} where the answer broke off, its first bytes
 */
export function readPart(id, part, { signal }) {
  const take = async (response) => {
    const bytes = await bytesOf(response, 0, part.max_bytes);
    const told = (name) => Number(response.headers.get(`Tailrun-${name}`));
    if (!response.headers.has("Tailrun-Size")) throw brokenOff();
    const [offset, next, line] = [told("Offset"), told("Next"), told("First-Line")];
    return { bytes, offset, next, line, lines: told("Total-Lines"), size: told("Size") };
  };
  return noted(fetchWithin(outputUrl(id) + query(part), { signal }, LONG_MS, take, false));
}

/**
 * @typedef {object} Watched what of a run is streamed
 * @property {number} [offset] where it begins
 * @property {number} [tail] lines before the end, where it begins
 * @property {number} [max_bytes] before the end, at most, with `tail`
 * @property {number} [max_behind] bytes; what is further behind is left out
 * @property {boolean} [text] false: how far the output is, and not the output
 */

/** A run's stream as JSON frames, over a WebSocket. @param {string} id @param {Watched} watched */
export function socketUrl(id, { text = true, ...from }) {
  const url = new URL(apiUrl(`${run(id)}/ws${query({ format: text ? "json" : "meta", ...from })}`));
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

/** The same frames as Server-Sent Events. @param {string} id @param {Watched} watched */
export const eventsUrl = (id, watched) => outputUrl(id) + query({ follow: true, format: "sse", ...watched });
