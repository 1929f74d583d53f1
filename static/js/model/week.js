/** Which due times fall on which day. Pure. */

export const DAYS = 7;
const DAY_MS = 86_400_000;
/** More of them in a week are drawn as one band. */
const MOST_TICKS = 84;

/** @param {number} now milliseconds since the epoch @returns {number[]} where the days begin and the last one ends */
export function weekOf(now) {
  const start = new Date(now);
  return Array.from({ length: DAYS + 1 }, (_, day) =>
    new Date(start.getFullYear(), start.getMonth(), start.getDate() + day).getTime(),
  );
}

/**
 * @param {string[]} times ISO 8601
 * @param {number[]} days of `weekOf`
 * @returns {number[][]} of each day, how far into it each time is, from 0 to 1
 */
export function ticksOf(times, days) {
  const moments = times.map((at) => Date.parse(at));
  return days.slice(0, -1).map((start, day) => {
    const end = days[day + 1];
    return moments.filter((at) => at >= start && at < end).map((at) => (at - start) / (end - start || DAY_MS));
  });
}

/** @param {{times: string[]|null, more: boolean}} schedule @returns {boolean} whether it is drawn as a band */
export const isDense = ({ times, more }) => more || (times ?? []).length > MOST_TICKS;
