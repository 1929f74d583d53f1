/** Addresses of the page, kept in the hash: `#/runs/<id>`. */
import { Store, useStore } from "./store.js";
import { hashWithoutArrival } from "./arrival.js";
import { parseRoute } from "./routes.js";

/** @typedef {import("./routes.js").Route} Route */

const route = new Store(parseRoute(hashWithoutArrival()));
addEventListener("hashchange", ({ oldURL }) => route.set(parseRoute(hashWithoutArrival(new URL(oldURL).hash))));

/** @returns {Route} */
export const useRoute = () => useStore(route);

/** @param {string} path such as "/runs/…" */
export function go(path) {
  location.hash = path;
}

/** Goes there without a step in the history. @param {string} path */
export function replacePath(path) {
  history.replaceState(history.state, "", "#" + path);
  route.set(parseRoute(location.hash));
}

/** @param {Record<string, string|undefined>} values @returns {string} "" where all are empty */
function query(values) {
  const kept = Object.entries(values).filter(([, value]) => value);
  return kept.length ? "?" + new URLSearchParams(kept) : "";
}

/** @param {Record<string, string|undefined>} [filter] */
export const toCommands = (filter = {}) => "/" + query(filter);
export const toCommand = (id) => `/commands/${id}`;
export const toEdit = (id) => `/commands/${id}/edit`;
export const toNew = () => "/commands/new";
export const toRun = (id) => `/runs/${id}`;
/** @param {Record<string, string|undefined>} [filter] */
export const toRuns = (filter = {}) => "/runs" + query(filter);
/** @param {string} id @param {string} other @param {Record<string, string|undefined>} [choice] what of them */
export const toCompare = (id, other, choice = {}) => `/compare/${id}/${other}` + query(choice);
export const toSchedules = () => "/schedules";
/** @param {string} id @param {Record<string, string|undefined>} [asked] */
export const toSchedule = (id, asked = {}) => `/schedules/${id}` + query(asked);
export const toAccount = () => "/account";
export const toTokens = () => "/tokens";
export const toGrants = () => "/grants";
export const toWorkers = () => "/workers";
export const toTargets = () => "/targets";
/** @param {Record<string, string|undefined>} [filter] */
export const toAudit = (filter = {}) => "/audit" + query(filter);
