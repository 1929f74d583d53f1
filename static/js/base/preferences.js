/** Preferences stored in this browser; where it stores nothing, they last as long as the page. */

/** @param {string} name @returns {string|null} */
export function readPreference(name) {
  try {
    return localStorage.getItem(`tailrun.${name}`);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
export function storePreference(name, value) {
  try {
    localStorage.setItem(`tailrun.${name}`, value);
  } catch {
    // Not storing a preference is no reason to fail.
  }
}

/** @param {() => void} call whenever another tab may have stored something */
export const watchPreferences = (call) => addEventListener("storage", call);

/** @param {string} name */
export function removePreference(name) {
  try {
    localStorage.removeItem(`tailrun.${name}`);
  } catch {
    // Nothing was stored.
  }
}
