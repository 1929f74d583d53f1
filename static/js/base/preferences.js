/** Small choices kept in this browser; where it keeps nothing, they last as long as the page. */

/** @param {string} name @returns {string|null} */
export function kept(name) {
  try {
    return localStorage.getItem(`tailrun.${name}`);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
export function keep(name, value) {
  try {
    localStorage.setItem(`tailrun.${name}`, value);
  } catch {
    // a choice that is not kept is no reason to fail
  }
}

/** @param {string} name */
export function forget(name) {
  try {
    localStorage.removeItem(`tailrun.${name}`);
  } catch {
    // what is not kept need not be forgotten
  }
}
