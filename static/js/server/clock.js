/** The server's time, so that a wrong clock in the browser does not make durations wrong. */
import { useEffect, useReducer } from "../base/ui.js";

const TOLERANCE_MS = 2000; // the Date header has whole seconds, and a request takes its time

let skewMs = 0;

/** @param {string|null} date the Date header of an answer */
export function noteServerTime(date) {
  const difference = Date.parse(date ?? "") - Date.now();
  if (Number.isFinite(difference)) skewMs = Math.abs(difference) > TOLERANCE_MS ? difference : 0;
}

/** @returns {number} milliseconds since the epoch, by the server's clock */
export const serverNow = () => Date.now() + skewMs;

/**
 * Renders again every so often.
 * @param {number|null} everyMs null: not at all
 */
export function useTick(everyMs) {
  const [, again] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    if (everyMs === null) return undefined;
    const timer = setInterval(again, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
}
