/** The part of the HTTP API that tells of workers, and lets them in. */
import { query, request } from "./api.js";

const worker = (id) => `/workers/${encodeURIComponent(id)}`;

/** @returns {Promise<import("../model/types.js").Fleet>} */
export const listWorkers = (options) => request("GET", "/workers/", options);
/** @param {string} id @param {{state: "active"|"draining"}} fields */
export const changeWorker = (id, fields) => request("PATCH", worker(id), { body: fields });
export const removeWorker = (id) => request("DELETE", worker(id));
/** @param {{pools: string[], labels: string[], places?: number|string}} fields */
export const createWorkerToken = (fields) => request("POST", "/workers/tokens", { body: fields });
/** The runs that hosts have now, newest first, as many as the server gives at a time. */
export const listRunsOfWorkers = (options) =>
  request("GET", "/runs/" + query({ state: "queued,running", embed: "command", limit: 500 }), options);
