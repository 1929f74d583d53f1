/** A value that many components watch. */
import { useEffect, useReducer } from "./ui.js";

/** @template T */
export class Store {
  /** @param {T} value */
  constructor(value) {
    this.value = value;
    this.watchers = new Set();
  }

  /** @param {T} value */
  set(value) {
    this.value = value;
    for (const watcher of [...this.watchers]) watcher(value);
  }

  /**
   * @param {(value: T) => void} watcher
   * @returns {() => void} ends the watch
   */
  watch(watcher) {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }
}

/**
 * The store's value, rendering again at each change.
 * @template T
 * @param {Store<T>} store
 * @returns {T}
 */
export function useStore(store) {
  const [, again] = useReducer((count) => count + 1, 0);
  const seen = store.value;
  useEffect(() => {
    if (store.value !== seen) again();
    return store.watch(again);
  }, [store]);
  return store.value;
}
