/** Parts of the page that are loaded when they are needed. */
import { Store } from "./store.js";

/** Whether one of them could not be: it is that of another version of the server, or out of reach. */
export const isIncomplete = new Store(false);

/**
 * @template T
 * @param {Promise<T>} part such as `import("…")`
 * @returns {Promise<T>}
 */
export async function loading(part) {
  try {
    return await part;
  } catch (error) {
    isIncomplete.set(true);
    throw error;
  }
}
