/** Parts of the page that are loaded when they are needed. */
import { Store } from "./store.js";

/** Whether one of them could not be, though the server answers: it is that of another version. */
export const isIncomplete = new Store(false);

/** @type {() => Promise<boolean>} once the server answers: whether that had to be waited for */
let serverBack = async () => false;

/** @param {() => Promise<boolean>} back */
export function waitWith(back) {
  serverBack = back;
}

/**
 * Loads one. Where the server is away it is loaded once that is back; else a second time, as it may have been away.
 * @template T
 * @param {() => Promise<T>} load such as `() => import("…")`
 * @returns {Promise<T>}
 */
export async function loading(load) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await load();
    } catch (error) {
      if (await serverBack()) tries = 0;
      else if (tries > 1) {
        isIncomplete.set(true);
        throw error;
      }
    }
  }
}
