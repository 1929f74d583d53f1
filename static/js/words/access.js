/** Who may do what, and who did what, in words. Pure. */
import { EVERY_GROUP } from "../model/access.js";

/** @typedef {import("../model/types.js").Token} Token */

const ROLES = { viewer: "Viewer", operator: "Operator", editor: "Editor", admin: "Admin" };
const MEANINGS = {
  viewer: "sees commands, runs and their output",
  operator: "sees scripts as well; starts, stops and signals runs",
  editor: "creates and changes commands as well",
  admin: "deletes as well, and says who may do what",
};
const KNOWN_BY = {
  local: "by your user on this machine, without a sign-in",
  session: "by a sign-in in this browser",
  token: "by a token",
  everybody: "not at all: everybody may do everything",
};

/** The audit's acts, in the order in which the page offers them. */
export const ACTS = {
  "command.create": "created a command",
  "command.change": "changed a command",
  "command.delete": "deleted a command",
  "command.start": "started a run",
  "run.stop": "stopped a run",
  "run.signal": "sent a signal to a run",
  "run.delete": "deleted a run",
  "session.create": "signed in",
  "session.end": "signed out",
  "token.create": "created a token",
  "token.revoke": "revoked a token",
  "grant.create": "gave a role",
  "grant.delete": "took a role away",
  denied: "was turned away",
};

const OUTCOMES = { done: "Done", refused: "Refused", failed: "Failed" };

/** @param {string} text @returns {string} */
export const capitalised = (text) => text[0].toUpperCase() + text.slice(1);

/** @param {string} role @returns {string} */
export const roleLabel = (role) => ROLES[role] ?? role;
/** @param {string} role @returns {string} what it may, to be added to its label */
export const roleMeaning = (role) => MEANINGS[role] ?? "";
/** @param {string} group @returns {string} such as "in every group", "in deploy" */
export const inGroup = (group) => (group === EVERY_GROUP ? "in every group" : `in ${group}`);
/** @param {string} knownBy @returns {string} such as "by a token" */
export const knownByText = (knownBy) => KNOWN_BY[knownBy] ?? `by ${knownBy}`;
/** @param {string} act @returns {string} such as "started a run" */
export const actText = (act) => ACTS[act] ?? act;
/** @param {string} outcome @returns {string} */
export const outcomeLabel = (outcome) => OUTCOMES[outcome] ?? outcome;

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

export const LINK_REFUSED =
  "This sign-in link was used before, or is more than a minute old: run “tailrun sign-in” and open the new one.";

const FAILED_SIGN_INS = {
  stale: "This sign-in took too long or was begun in another browser: sign in again.",
  denied: "The provider did not sign you in, or you said no there: sign in again if you want to.",
  unnamed: "The provider does not say who you are: ask whoever looks after this Tailrun.",
  "no-access": "You may not do anything here yet: ask whoever looks after this Tailrun for a role.",
  "provider-refused": "What the provider said cannot be believed: Tailrun's log says why.",
  "provider-unavailable": "The provider does not answer: try again.",
  busy: "Too many people are signing in at the moment: try again.",
  "database-unavailable": "The database cannot be reached at the moment: try again.",
  "no-provider": "No provider is set up here any more: sign in by a link.",
  "plain-http": "Nobody can sign in over plain HTTP at this address: use https.",
};

/** @param {string} reason why a provider's sign-in failed @returns {string} */
export const failedSignIn = (reason) => FAILED_SIGN_INS[reason] ?? "You were not signed in: sign in again.";

export const SESSION_ENDED = "Your session has ended:";
export const SIGN_IN_AGAIN = "and this page goes on by itself; what you typed stays here.";
export const OPEN_TO_ALL = "Authentication is off: this Tailrun is open to everybody who can reach it.";
export const NOT_SAVED = "Not saved, as your session has ended. What you typed stays here: sign in again, then save.";
