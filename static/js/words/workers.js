/** Workers and what waits for them, in words. */
import { known, t } from "./words.js";

/** @param {string} state @returns {string} the state as a word */
export const standing = (state) => known(`workers.state.${state}`, state);

/** @param {{why: string, requires: string[], waiting: number}} inVain @returns {string} why no worker can have these */
export function whyInVain({ why, requires, waiting }) {
  const labels = requires.join(", ");
  const values = { count: waiting, labels };
  return requires.length > 0 ? t(`workers.in-vain.${why}.labels`, values) : t(`workers.in-vain.${why}`, values);
}
