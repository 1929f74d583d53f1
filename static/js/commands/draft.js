/** What was typed into a form and not saved yet; it outlives going elsewhere in this tab and coming back. */

/**
 * @typedef {object} Draft
 * @property {import("./fields.js").CommandFields} fields
 * @property {string} [etag] of the version that it changes
 */

const key = (name) => `tailrun.draft.${name}`;

/** @param {string} name of the form @returns {Draft|null} */
export function draftOf(name) {
  try {
    return JSON.parse(sessionStorage.getItem(key(name)));
  } catch {
    return null;
  }
}

/** @param {string} name @param {Draft} draft */
export function keepDraft(name, draft) {
  try {
    sessionStorage.setItem(key(name), JSON.stringify(draft));
  } catch {
    // the form still holds it, and the browser asks before it is left
  }
}

/** @param {string} name */
export function dropDraft(name) {
  try {
    sessionStorage.removeItem(key(name));
  } catch {
    // what is not kept need not be dropped
  }
}
