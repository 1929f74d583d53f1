/** Who may do what, and who did what, in words. */
import { EVERY_GROUP } from "../model/access.js";
import { known, t } from "./words.js";

/** @typedef {import("../model/types.js").Token} Token */

/** The audit's acts, in the order in which the page offers them. */
export const ACTS = [
  ...["command.create", "command.change", "command.delete", "command.start"],
  ...["run.stop", "run.signal", "run.delete", "session.create", "session.end"],
  ...["token.create", "token.revoke", "grant.create", "grant.delete"],
  ...["target.create", "target.change", "target.delete", "target.test"],
  ...["schedule.create", "schedule.change", "schedule.delete", "command.pause", "command.resume"],
  ...["hook.create", "hook.change", "hook.delete", "run.abandon"],
  ...["worker.token", "worker.enrol", "worker.change", "worker.remove", "denied"],
];

/** @param {string} text @returns {string} */
export const capitalised = (text) => text[0].toUpperCase() + text.slice(1);

/** @param {string} role @returns {string} as it stands alone */
export const roleLabel = (role) => known(`role.${role}`, role);
/** @param {string} role @returns {string} as it stands in a sentence */
export const roleName = (role) => roleLabel(role).toLowerCase();
/** @param {string} role @returns {string} what it may, to be added to its label */
export const roleMeaning = (role) => known(`role.${role}.may`, "");
/** @param {string} group @returns {string} such as "in every group", "in deploy" */
export const inGroup = (group) => (group === EVERY_GROUP ? t("group.every") : t("group.in", { group }));
/** @param {string} how somebody is known @returns {string} such as "by a token" */
export const knownByText = (how) => known(`known-by.${how}`, t("known-by.other", { how }));
/** @param {string} how somebody was known @returns {string} the same as one word */
export const howKnown = (how) => known(`audit.known-by.${how}`, how);
/** @param {string} act @returns {string} such as "started a run" */
export const actText = (act) => known(`act.${act}`, act);
/** @param {string} outcome @returns {string} */
export const outcomeLabel = (outcome) => known(`outcome.${outcome}`, outcome);

/** @param {Token} token @param {number} now @returns {"valid"|"revoked"|"expired"} */
export function tokenState({ revoked_at: revoked, expires_at: expires }, now) {
  if (revoked) return "revoked";
  return Date.parse(expires) <= now ? "expired" : "valid";
}

const UUID = /\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;

/** @param {Record<string, unknown>} details of an entry of the audit @returns {string} such as "signal: TERM, …" */
export const detailsText = (details) =>
  Object.entries(details)
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ")
    .replace(UUID, "$1");

/** @param {string} reason why a provider's sign-in failed @returns {string} */
export const failedSignIn = (reason) => known(`sign-in.failed.${reason}`, t("sign-in.failed"));
