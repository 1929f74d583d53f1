/** Who may do what, as the page needs it to offer nothing that would be refused; the server decides. Pure. */

/**
 * @typedef {import("./types.js").Who} Who
 * @typedef {import("./types.js").Role} Role
 * @typedef {"see"|"operate"|"edit"|"administer"} Right
 */

/** Each may do what those before it may. @type {Role[]} */
export const ROLES = ["viewer", "operator", "editor", "admin"];
/** In a grant: all groups, those to come as well. */
export const EVERY_GROUP = "*";
export const DEFAULT_GROUP = "default";

/** @param {Role|null|undefined} role @returns {number} from 0; -1 for none */
const rank = (role) => ROLES.indexOf(role);

/** @param {Role} role @returns {Role[]} it and those below it */
export const rolesUpTo = (role) => ROLES.slice(0, rank(role) + 1);

/** @param {Who} who @returns {Role|null} the role in every group */
export const roleEverywhere = (who) => who.role ?? who.roles[EVERY_GROUP] ?? null;

/** @param {Who} who @returns {[string, Role][]} what was given, by group; every group first */
export function givenRoles(who) {
  const everywhere = roleEverywhere(who);
  const named = Object.entries(who.roles).filter(([group]) => group !== EVERY_GROUP);
  return [...(everywhere ? [[EVERY_GROUP, everywhere]] : []), ...named.sort()];
}

/** @param {Who} who @param {string} group or EVERY_GROUP @returns {Role|null} the highest role there */
export function roleIn(who, group) {
  const roles = [roleEverywhere(who), who.roles[group] ?? null];
  return roles.reduce((highest, role) => (rank(role) > rank(highest) ? role : highest));
}

/** @param {Who|null} who null: nothing is known @param {Role} role @returns {string[]|null} null: in every group */
export function groupsWith(who, role) {
  if (who === null || rank(roleEverywhere(who)) >= rank(role)) return null;
  return givenRoles(who).flatMap(([group, given]) => (rank(given) >= rank(role) ? [group] : []));
}

/** @param {Who|null} who @returns {boolean} whether there is a group in which commands may be created */
export const mayCreate = (who) => groupsWith(who, "editor")?.length !== 0;

/** @param {Who|null} who @returns {boolean} whether there may be workers, and they may be seen */
export const maySeeWorkers = (who) => who?.workers === true && mayCreate(who);

/** @param {Who|null} who @returns {boolean} whether grants, others' tokens and the audit may be seen */
export const mayGovern = (who) => who !== null && roleEverywhere(who) === "admin";

/**
 * @param {{may?: string[]}} thing a command or a run
 * @param {Right} right
 * @returns {boolean} whether the one who asked may do that with it
 */
export const may = (thing, right) => thing.may?.includes(right) ?? true;
