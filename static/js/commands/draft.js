/** Unsaved input of a form, kept while the user visits other screens in this tab. */

/**
 * @typedef {object} Draft
 * @property {import("./fields.js").CommandFields} fields
 * @property {string} [etag] of the version that it changes
 */

const key = (name) => `tailrun.draft.${name}`;

/** @param {string} name of the form @returns {Draft|null} */
export function readDraft(name) {
  try {
    return JSON.parse(sessionStorage.getItem(key(name)));
  } catch {
    return null;
  }
}

/** @param {string} name @param {Draft} draft */
export function saveDraft(name, draft) {
  try {
    sessionStorage.setItem(key(name), JSON.stringify(draft));
  } catch {
    // The form still holds it, and the browser asks before leaving.
  }
}

/** Of every form, when whoever typed them leaves. */
export function discardDrafts() {
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(key(""))) sessionStorage.removeItem(name);
  } catch {
    // Nothing was stored.
  }
}

/** @param {string} name */
export function discardDraft(name) {
  try {
    sessionStorage.removeItem(key(name));
  } catch {
    // Nothing was stored.
  }
}
