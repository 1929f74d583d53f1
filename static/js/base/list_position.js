/** The position in a list, restored when the browser's Back leads there: its loaded pages and its scroll position. */
import { useLayoutEffect, useRef } from "./ui.js";

/**
 * @typedef {object} Place
 * @property {number} pages that were loaded
 * @property {object} [list] what they held
 * @property {number} [top] how far down it was scrolled, in pixels
 */

const MOST_PLACES = 20;
/** @type {Map<string, Place>} by the entry of the history */
const places = new Map();
let entries = 0;

history.scrollRestoration = "manual"; // the browser restores before a list is there

/** @returns {string} a name of this entry of the history, which Back and Forward lead to again */
function entryName() {
  if (!history.state?.entry) {
    entries += 1;
    history.replaceState({ ...history.state, entry: `${performance.timeOrigin} ${entries}` }, "");
  }
  return history.state.entry;
}

/** @returns {[Place, (place: Place) => void]} where the person was; what to call with where they are, at each render */
export function useListPosition() {
  const here = useRef(null);
  here.current ??= { name: entryName(), place: null };
  const before = places.get(here.current.name) ?? { pages: 1 };
  const start = useRef(before).current;
  useLayoutEffect(() => {
    scrollTo(0, start.top ?? 0);
    return () => {
      const { name, place } = here.current;
      places.delete(name);
      places.set(name, { ...place, top: scrollY });
      if (places.size > MOST_PLACES) places.delete(places.keys().next().value);
    };
  }, []);
  const remember = (place) => {
    here.current.place = place;
  };
  return [start, remember];
}
