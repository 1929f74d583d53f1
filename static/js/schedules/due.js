/** Keeps what is shown of schedules as it is: loaded again when one was due, or when its command has changed. */
import { useEffect } from "../base/ui.js";
import { RELOAD } from "../model/changes.js";
import { serverNow } from "../server/clock.js";

/** What comes of a due time is stored by then. */
const AFTER_MS = 1500;
/** However often something is due. */
const LEAST_MS = 5000;
/** Longer ones end at once (setTimeout). */
const MOST_MS = 3_600_000;

/**
 * @param {{next_times: string[]}[]} schedules
 * @param {() => void} reload
 */
export function useReloadWhenDue(schedules, reload) {
  const next = Math.min(...schedules.flatMap(({ next_times: times }) => times.slice(0, 1)).map((at) => Date.parse(at)));
  useEffect(() => {
    if (!Number.isFinite(next)) return undefined;
    const wait = Math.max(next - serverNow() + AFTER_MS, LEAST_MS);
    const timer = setTimeout(reload, Math.min(wait, MOST_MS));
    return () => clearTimeout(timer);
  }, [schedules]);
}

/**
 * What the events tell of, for `usePolling`.
 * @param {(commandId: string) => boolean} matches the commands whose schedules are shown
 */
export const changedSchedules = (matches) => (value, change) => {
  if (change.type === "command") return matches(change.command.id) ? RELOAD : value;
  return change.type === "command-deleted" && matches(change.id) ? RELOAD : value;
};

export const NO_SCHEDULES = [];
