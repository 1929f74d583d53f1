/** Commands that somebody has first in their list: in this browser, of this server, and theirs alone. */
import { readPreference, storePreference, watchPreferences } from "../base/preferences.js";
import { Store, useStore } from "../base/store.js";
import { listCommands } from "../server/api.js";
import { session } from "../server/session.js";

/** One list gives so many by their ids. */
export const MOST_FAVOURITES = 50;

/** @type {Store<{name: string, ids: string[]}>} those of the one who is shown the page */
const shown = new Store({ name: "", ids: [] });

/** Another server may stand at another path, and another person may sign in. */
const nameNow = () => `favourites ${new URL(document.baseURI).pathname} ${session.value.who?.principal ?? ""}`;

/** @param {string} name @returns {string[]} ids, the latest first */
function stored(name) {
  try {
    const ids = JSON.parse(readPreference(name) ?? "null");
    if (Array.isArray(ids)) return ids.map(String).slice(0, MOST_FAVOURITES);
  } catch {
    // What another has written there is none of ours.
  }
  return shown.value.name === name ? shown.value.ids : [];
}

function store(ids) {
  const name = nameNow();
  storePreference(name, JSON.stringify(ids));
  shown.set({ name, ids });
}

watchPreferences(() => shown.set({ name: nameNow(), ids: stored(nameNow()) }));

/** @returns {string[]} their ids, the latest first */
export function favouriteIds() {
  const name = nameNow();
  if (shown.value.name !== name) shown.value = { name, ids: stored(name) };
  return shown.value.ids;
}

/** @returns {string[]} their ids; renders again when they change, in another tab, too */
export function useFavourites() {
  favouriteIds();
  return useStore(shown).ids;
}

/** @param {string} id @returns {boolean} false: there are as many as there may be */
export function toggleFavourite(id) {
  const ids = stored(nameNow());
  if (ids.includes(id)) store(ids.filter((each) => each !== id));
  else if (ids.length >= MOST_FAVOURITES) return false;
  else store([id, ...ids]);
  return true;
}

/**
 * Loads them, wherever they stand in a list; forgets those that are no more.
 * @param {{signal: AbortSignal}} options
 * @returns {Promise<import("../model/types.js").Command[]>} newest first
 */
export async function loadFavourites(options) {
  const ids = favouriteIds();
  if (ids.length === 0) return [];
  const { items } = await listCommands({ ids: ids.join(), limit: MOST_FAVOURITES }, options);
  const there = new Set(items.map(({ id }) => id));
  forget(ids.filter((id) => !there.has(id)));
  return items;
}

/** @param {string[]} gone ids */
export function forget(gone) {
  const ids = stored(nameNow());
  const kept = ids.filter((id) => !gone.includes(id));
  if (kept.length < ids.length) store(kept);
}
