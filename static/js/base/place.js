/** Where a person was who signs in elsewhere: a provider leads back to the page, but not to a screen of it. */
import { replacePath } from "./router.js";

const NAME = "tailrun.place";

/** Before the page is left for the provider. */
export function rememberPlace() {
  try {
    sessionStorage.setItem(NAME, location.hash.slice(1));
  } catch {
    // Then the page begins where it always does.
  }
}

/** Goes there, once. */
export function returnToPlace() {
  try {
    const path = sessionStorage.getItem(NAME);
    sessionStorage.removeItem(NAME);
    if (path) replacePath(path);
  } catch {
    // Nothing was remembered.
  }
}
