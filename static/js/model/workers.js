/** What is shown of workers and their pools. Pure. */
import { RELOAD } from "./changes.js";

/**
 * @typedef {import("./types.js").Change} Change
 * @typedef {import("./types.js").Fleet} Fleet
 * @typedef {import("./types.js").Run} Run
 * @typedef {import("./types.js").Worker} Worker
 */

/** Runs that are named with each worker. */
export const MOST_NAMED = 5;

/** What of the events makes workers and pools another. @param {Fleet} fleet @param {Change} change */
export const changedFleet = (fleet, { type }) => (type === "workers" || type === "pools" ? RELOAD : fleet);

/** Those that are there, or may be again. @param {Worker[]} workers */
export const present = (workers) => workers.filter(({ state }) => state !== "removed");

/** @param {Worker[]} workers @param {string} pool @returns {Worker[]} that serve it, or did before they went away */
export const ofPool = (workers, pool) => present(workers).filter(({ pools }) => pools.includes(pool));

/** @param {Run[]} runs that have not ended @returns {Map<string, Run[]>} by the host that has them */
export function byHost(runs) {
  const found = new Map();
  for (const run of runs) if (run.host) found.set(run.host, [...(found.get(run.host) ?? []), run]);
  return found;
}

/** @param {string} text with commas or spaces between @returns {string[]} */
export const names = (text) => text.split(/[\s,]+/).filter((name) => name !== "");

/**
 * What is pasted on the host that is to be a worker; other users there do not see the token in its processes.
 * @param {string} address of the page
 * @param {string} token
 */
export const enrolment = (address, token) =>
  `echo ${token} | tailrun worker enroll ${new URL(".", address).href.replace(/\/$/, "")} --token - && tailrun worker`;
