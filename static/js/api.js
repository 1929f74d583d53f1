/** The HTTP API as functions; every failure becomes a Problem. */
import { noteServerTime } from "./clock.js";
import { reportServer } from "./server_state.js";

const BASE = "/api/v1";

/** A request that did not do what was asked: problem+json of the server, or no answer (status 0). */
export class Problem extends Error {
  /**
   * @param {{title?: string, status?: number, detail?: string, errors?: Record<string, unknown>}} body
   * @param {number} retryAfterSeconds
   */
  constructor(body, retryAfterSeconds = 0) {
    super(body.detail || body.title || "The request failed.");
    this.status = body.status ?? 0;
    this.title = body.title ?? "";
    this.retryAfterSeconds = retryAfterSeconds;
    /** @type {Record<string, string[]>} */
    this.errors = {};
    for (const [field, texts] of Object.entries(body.errors ?? {})) {
      this.errors[field] = [texts].flat(2).map((text) => (typeof text === "string" ? text : JSON.stringify(text)));
    }
  }
}

const LOST = { status: 0, title: "The server does not answer", detail: "The server does not answer." };

/**
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
async function problemOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  const body = isJson ? await response.json().catch(() => ({})) : {};
  const title = response.statusText || `Status ${response.status}`;
  return new Problem({ title, ...body, status: response.status }, retryAfter);
}

/**
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {{body?: object, signal?: AbortSignal}} [options]
 */
async function request(method, path, { body, signal } = {}) {
  const init = { method, signal, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(BASE + path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    reportServer({ kind: "lost" });
    throw new Problem(LOST);
  }
  noteServerTime(response.headers.get("Date"));
  if (response.ok) {
    reportServer({ kind: "well" });
    return response.status === 204 ? null : response.json();
  }
  const problem = await problemOf(response);
  reportServer(problem.status === 503 ? { kind: "busy", detail: problem.message } : { kind: "well" });
  throw problem;
}

/** @param {Record<string, string|number|null|undefined>} values */
function query(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return kept.length ? "?" + new URLSearchParams(kept.map(([name, value]) => [name, String(value)])) : "";
}

const command = (id) => `/commands/${encodeURIComponent(id)}`;
const run = (id) => `/runs/${encodeURIComponent(id)}`;

export const listCommands = (values, options) => request("GET", "/commands/" + query(values), options);
export const getCommand = (id, options) => request("GET", command(id), options);
export const createCommand = (fields) => request("POST", "/commands/", { body: fields });
export const replaceCommand = (id, fields) => request("PUT", command(id), { body: fields });
export const deleteCommand = (id) => request("DELETE", command(id));
export const startRun = (id) => request("POST", command(id) + "/runs", { body: {} });
export const listRunsOf = (id, values, options) => request("GET", command(id) + "/runs" + query(values), options);
export const listRuns = (values, options) => request("GET", "/runs/" + query(values), options);
export const getRun = (id, options) => request("GET", run(id), options);
export const deleteRun = (id) => request("DELETE", run(id));
export const stopRun = (id, how = {}) => request("POST", run(id) + "/stop", { body: how });
export const signalRun = (id, signal) => request("POST", run(id) + "/signal", { body: { signal } });

/** @param {string} id */
export const outputUrl = (id) => `${BASE}${run(id)}/output`;

/**
 * @param {string} id
 * @param {{offset: number}|{tail: number}} from
 */
export function streamUrl(id, from) {
  const url = new URL(`${BASE}${run(id)}/ws${query({ format: "json", ...from })}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
