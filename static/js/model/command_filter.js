/** Which commands are listed, as the address says it, and which of them come first. Pure. */
import { DEFAULT_GROUP } from "./access.js";
import { changedCommands, hasWords, isBefore, RELOAD } from "./changes.js";
import { statesOf } from "./run_filter.js";

/**
 * @typedef {import("./types.js").Change} Change
 * @typedef {import("./types.js").Command} Command
 * @typedef {import("./types.js").Run} Run
 *
 * @typedef {{q?: string, group?: string, state?: string}} CommandFilter state: several, with commas, of the last run
 *
 * @typedef {object} Shelf
 * @property {Command[]} items a list's first pages, favourites among them
 * @property {string|null} next
 * @property {Command[]} favourites all of them, whether they are listed or not
 */

/** @param {URLSearchParams} query @returns {CommandFilter} what it names, without what is no value */
export function filterOf(query) {
  const filter = {};
  for (const name of ["q", "group"]) if (query.get(name)) filter[name] = query.get(name);
  const states = statesOf({ state: query.get("state") ?? "" });
  return states.length ? { ...filter, state: states.join() } : filter;
}

/** @param {CommandFilter} filter @returns {(command: Command) => boolean} whether the server would list it */
export function belongs({ q = "", group, state = "" }) {
  const states = statesOf({ state });
  return (command) =>
    (!group || (command.group ?? DEFAULT_GROUP) === group) &&
    hasWords(`${command.name}\n${command.description ?? ""}`, q) &&
    (states.length === 0 || states.includes(command.last_run?.state));
}

/** @param {CommandFilter} filter @returns {(run: Run) => boolean} whether a run may bring its command into the list */
function mayBring({ group, state = "" }) {
  const states = statesOf({ state });
  return (run) => states.includes(run.state) && (!group || !run.command || run.command.group === group);
}

/**
 * @param {Shelf} shelf
 * @param {Change} change
 * @param {CommandFilter} filter
 * @param {string[]} favourites ids
 * @returns {Shelf|typeof RELOAD} the same where nothing of it has changed
 */
export function changedShelf(shelf, change, filter, favourites) {
  const { items, next } = shelf;
  const isListed = items.some(({ id }) => id === change.run?.command_id);
  if (change.type === "run" && !isListed && mayBring(filter)(change.run)) return RELOAD;
  const list = changedCommands({ items, next }, change, belongs(filter));
  const first = { items: shelf.favourites, next: null };
  const kept = changedCommands(first, change, ({ id }) => favourites.includes(id));
  if (list === RELOAD || kept === RELOAD) return RELOAD;
  if (list.items === items && kept.items === first.items) return shelf;
  return { ...list, favourites: kept.items };
}

/**
 * @param {Shelf} shelf
 * @param {CommandFilter} filter
 * @param {string[]} favourites ids
 * @returns {Command[]} favourites that are like that, then the others; each newest first
 */
export function inOrder(shelf, filter, favourites) {
  const isFirst = ({ id }) => favourites.includes(id);
  const known = new Map([...shelf.favourites, ...shelf.items].map((command) => [command.id, command]));
  const first = [...known.values()].filter(isFirst).filter(belongs(filter));
  first.sort((one, other) => (isBefore(one, other) ? -1 : 1));
  return [...first, ...shelf.items.filter((command) => !isFirst(command))];
}
