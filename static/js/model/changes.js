/** What a change does to what is shown: lists and things, as the events tell of them. Pure. */
/**
 * @typedef {import("./types.js").Run} Run
 * @typedef {import("./types.js").Command} Command
 * @typedef {import("./types.js").Change} Change
 */

/** What is shown cannot be made of what was told: it is to be loaded again. */
export const RELOAD = Symbol("reload");

/** What is shown is no more. */
export const GONE = Symbol("gone");

/** @param {{created_at: string, id: string}} one @param {{created_at: string, id: string}} other as lists are ordered */
export const isBefore = (one, other) =>
  one.created_at === other.created_at ? one.id > other.id : Date.parse(one.created_at) > Date.parse(other.created_at);

/**
 * Puts a thing into its place in a list, newest first; behind the last that was loaded it is left to the next page.
 * @template {{created_at: string, id: string}} T
 * @param {{items: T[], next: string|null}} list
 * @param {T} thing
 */
function put(list, thing) {
  const items = list.items.filter(({ id }) => id !== thing.id);
  const at = items.findIndex((each) => isBefore(thing, each));
  if (at >= 0) items.splice(at, 0, thing);
  else if (!list.next) items.push(thing);
  else if (items.length < list.items.length) items.push(thing);
  return { ...list, items };
}

const without = (list, gone) => {
  const items = list.items.filter((each) => !gone(each));
  return items.length === list.items.length ? list : { ...list, items };
};

/**
 * @param {{items: Run[], next: string|null}} list
 * @param {Change} change
 * @param {(run: Run) => boolean} matches whether a run belongs in the list
 * @returns {{items: Run[], next: string|null}|typeof RELOAD} the same where nothing of it has changed
 */
export function changedRuns(list, change, matches) {
  switch (change.type) {
    case "run":
      return matches(change.run) ? put(list, change.run) : without(list, ({ id }) => id === change.run.id);
    case "run-deleted":
      return without(list, ({ id }) => id === change.id);
    case "command-deleted":
      return without(list, (run) => run.command_id === change.id);
    case "command":
      return relabelled(list, change.command);
    case "output-bytes":
      return grown(list, change.runs);
    case "workers":
      return list.items.some(dependsOnWorkers) ? RELOAD : list;
    default:
      return list;
  }
}

/** Whether what is said of a run may change with how workers stand. @param {Run} run */
const dependsOnWorkers = (run) => !run.end_time && Boolean(run.pool || run.host_name);

function relabelled(list, { id, name, group }) {
  const isOther = (run) => run.command?.id === id && (run.command.name !== name || run.command.group !== group);
  if (!list.items.some(isOther)) return list;
  const items = list.items.map((run) => (isOther(run) ? { ...run, command: { id, name, group } } : run));
  return { ...list, items };
}

function grown(list, runs) {
  const sizes = new Map(runs.map(({ id, output_bytes: size }) => [id, size]));
  const isOther = (run) => sizes.has(run.id) && sizes.get(run.id) > run.output_bytes;
  if (!list.items.some(isOther)) return list;
  const items = list.items.map((run) => (isOther(run) ? { ...run, output_bytes: sizes.get(run.id) } : run));
  return { ...list, items };
}

/**
 * @param {{items: Command[], next: string|null}} list
 * @param {Change} change
 * @param {(command: Command) => boolean} matches whether a command belongs in the list
 * @returns {{items: Command[], next: string|null}|typeof RELOAD}
 */
export function changedCommands(list, change, matches) {
  const one = list.items.find(({ id }) => id === (change.run?.command_id ?? change.command_id));
  switch (change.type) {
    case "command":
      return matches(change.command) ? put(list, change.command) : without(list, ({ id }) => id === change.command.id);
    case "command-deleted":
      return without(list, ({ id }) => id === change.id);
    case "run":
      return one ? withRun(list, one, change.run, matches) : list;
    case "run-deleted":
      return one?.last_run?.id === change.id ? RELOAD : list;
    default:
      return list;
  }
}

function withRun(list, command, run, matches) {
  const last = command.last_run;
  if (last && last.id !== run.id && isBefore(last, run)) return list;
  const changed = { ...command, last_run: run };
  return matches(changed) ? put(list, changed) : without(list, ({ id }) => id === command.id);
}

/**
 * @param {Command} command
 * @param {Change} change which may have the start of its texts alone
 * @returns {Command|typeof RELOAD|typeof GONE}
 */
export function changedCommand(command, change) {
  if (change.type === "command-deleted" && change.id === command.id) return GONE;
  return change.command?.id === command.id ? RELOAD : command;
}

/** @param {Run} run @param {Change} change @returns {Run|typeof GONE|typeof RELOAD} */
export function changedRun(run, change) {
  if (change.type === "workers" && dependsOnWorkers(run)) return RELOAD;
  if (change.type === "run" && change.run.id === run.id) return change.run;
  const isGone =
    (change.type === "run-deleted" && change.id === run.id) ||
    (change.type === "command-deleted" && change.id === run.command_id);
  return isGone ? GONE : run;
}

/** @param {string} text @param {string} words @returns {boolean} whether it has the words, in their order */
export function hasWords(text, words) {
  let from = 0;
  const where = text.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => {
      const at = where.indexOf(word, from);
      from = at + word.length;
      return at >= 0;
    });
}
