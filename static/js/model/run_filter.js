/** Which runs are listed, as the address says it. Pure. */
import { hasWords } from "./changes.js";
import { elapsed, STATES } from "./run.js";

/**
 * @typedef {import("./types.js").Run} Run
 *
 * @typedef {Record<string, string>} RunFilter by name: `state` (several, with commas), `command_id`, `when` ("today",
 * "night"), `since` and `until` (in the browser's time zone), `min_seconds`, `max_seconds`, `exitcode`, `q`, `pool`,
 * `host` (its id)
 */

/** When the night begins and ends, in hours of the local day. */
const EVENING = 18;
const MORNING = 8;

const NAMES = [
  ...["state", "command_id", "when", "since", "until", "min_seconds", "max_seconds", "exitcode", "q"],
  ...["pool", "host"],
];

/** @param {URLSearchParams} query @returns {RunFilter} what it names, without what is no value */
export function filterOf(query) {
  const filter = {};
  for (const name of NAMES) if (query.get(name)) filter[name] = query.get(name);
  const states = statesOf(filter);
  if (states.length) filter.state = states.join();
  else delete filter.state;
  return filter;
}

/** @param {RunFilter} filter @returns {string[]} in the order of a run's life; none: all */
export const statesOf = ({ state = "" }) => STATES.filter((each) => state.split(",").includes(each));

/**
 * @param {RunFilter} filter
 * @param {number} now milliseconds since the epoch
 * @returns {Record<string, string>} as the API takes it; a time or a number that is none is left out
 */
export function askedRuns({ when, since, until, ...rest }, now) {
  const [from, to] = when ? span(when, now) : [Date.parse(since ?? ""), Date.parse(until ?? "")];
  const asked = { ...rest };
  if (!Number.isNaN(from)) asked.since = new Date(from).toISOString();
  if (!Number.isNaN(to)) asked.until = new Date(to).toISOString();
  for (const name of ["min_seconds", "max_seconds", "exitcode"]) {
    if (asked[name] !== undefined && !Number.isFinite(Number(asked[name]))) delete asked[name];
  }
  return asked;
}

/** @param {string} when @param {number} now @returns {[number, number]} NaN: without an end */
function span(when, now) {
  const at = (day, hour) => new Date(now).setHours(hour + 24 * day, 0, 0, 0);
  if (when === "today") return [at(0, 0), NaN];
  if (when !== "night") return [NaN, NaN];
  return new Date(now).getHours() < MORNING ? [at(-1, EVENING), NaN] : [at(-1, EVENING), at(0, MORNING)];
}

/**
 * @param {Record<string, string>} asked as the API takes it
 * @param {number} now
 * @returns {(run: Run) => boolean} whether the server would list it
 */
export function belongs(asked, now) {
  const states = statesOf(asked);
  const least = asked.min_seconds === undefined ? null : Number(asked.min_seconds) * 1000;
  const most = asked.max_seconds === undefined ? null : Number(asked.max_seconds) * 1000;
  const time = (run) => Date.parse(run.created_at);
  const took = (run) => (run.state === "queued" ? NaN : elapsed(run, now));
  return (run) =>
    (states.length === 0 || states.includes(run.state)) &&
    (!asked.command_id || run.command_id === asked.command_id) &&
    (!asked.since || time(run) >= Date.parse(asked.since)) &&
    (!asked.until || time(run) < Date.parse(asked.until)) &&
    (least === null || took(run) >= least) &&
    (most === null || took(run) <= most) &&
    (asked.exitcode === undefined || run.exitcode === Number(asked.exitcode)) &&
    (!asked.pool || run.pool === asked.pool) &&
    (!asked.host || run.host === asked.host) &&
    (!asked.q || hasWords(run.reason ?? "", asked.q));
}
