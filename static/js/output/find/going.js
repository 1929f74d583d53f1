/** Going from one hit to the next. */
import { useEffect, useRef, useState } from "../../base/ui.js";

/** @typedef {{line: number, ordinal: number|null}} Current the hit that is shown; ordinal: null until it is known */

/**
 * @param {object} output as `useOutput` gives it
 * @param {ReturnType<typeof import("./searching.js").useSearching>} searching
 * @param {boolean} only whether nothing but hits is shown
 */
export function useGoing(output, { key, found, tell }, only) {
  /** @type {[Current|null, Function]} */
  const [current, setCurrent] = useState(null);
  const turns = useRef(0);
  useEffect(() => setCurrent(null), [key]);

  /**
   * Goes on from the hit that is shown, or from what is seen.
   * @param {1|-1} step
   * @param {{fresh?: boolean}} [how] fresh: something else is searched for, which may be where one is
   */
  const go = async (step, { fresh = false } = {}) => {
    const { hits } = found.current ?? {};
    if (!hits) return;
    const turn = (turns.current += 1);
    const seen = output.window.current;
    const isOver = () => turn !== turns.current;
    const beside = fresh ? 0 : 1;
    const after = current ? current.line + beside : seen.first;
    const before = current ? current.line + 1 - beside : seen.last + 1;
    try {
      const hit = step > 0 ? await hits.from(after) : await hitBefore(hits, before);
      // A window on nothing but hits has to know which one it is.
      if (only && hit) await hits.at(await hits.ordinalOf(hit.line));
      if (isOver() || !hit) return;
      seen.goTo(hit.line, { align: "center", mark: true });
      setCurrent({ line: hit.line, ordinal: null });
      await hits.counting;
      const ordinal = await hits.ordinalOf(hit.line);
      if (!isOver()) setCurrent({ line: hit.line, ordinal });
    } catch (problem) {
      if (isOver() || problem.name === "AbortError") return;
      hits.problem = problem;
      tell();
    }
  };
  return { current, go };
}

/** The last hit before a line, or of all. */
const hitBefore = async (hits, line) => (await hits.before(line)) ?? (await hits.last());
