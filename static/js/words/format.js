/** Values as people read them. Pure. */

const CLOCK = { hour: "2-digit", minute: "2-digit" };
const UNITS = ["B", "kB", "MB", "GB", "TB"];

/**
 * @param {number} count bytes
 * @returns {string} such as "12.3 kB"
 */
export function bytes(count) {
  let unit = 0;
  while (count >= 999.95 && unit < UNITS.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit === 0 || count >= 99.95 ? Math.round(count) : count.toFixed(1)} ${UNITS[unit]}`;
}

/** @param {number} count @returns {string} such as "20,000" */
export const whole = (count) => count.toLocaleString("en");

/**
 * @param {number} count
 * @param {string} one the word for one
 * @returns {string} such as "1 line", "20,000 lines"
 */
export const counted = (count, one) => `${whole(count)} ${one}${count === 1 ? "" : "s"}`;

/**
 * @param {number} ms
 * @returns {string} such as "850 ms", "12.3 s", "2 min 5 s", "1 h 3 min", "2 d 4 h"
 */
export function duration(ms) {
  ms = Math.max(0, ms);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * @param {number} ms how long a run has been going; whole seconds, so that it ticks calmly
 * @returns {string}
 */
export const ticking = (ms) => (ms < 60_000 ? `${Math.max(0, Math.floor(ms / 1000))} s` : duration(ms));

/**
 * @param {number} then milliseconds since the epoch
 * @param {number} now
 * @returns {string} such as "just now", "2 min ago", "3 Feb, 14:05"
 */
export function ago(then, now) {
  const seconds = Math.floor((now - then) / 1000);
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return counted(Math.floor(seconds / 86_400), "day") + " ago";
  const date = new Date(then);
  const year = date.getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year });
  return `${day}, ${date.toLocaleTimeString("en-GB", CLOCK)}`;
}

/**
 * @param {number} then milliseconds since the epoch, to come
 * @param {number} now
 * @returns {string} such as "in 5 min", "in 89 days"
 */
export function ahead(then, now) {
  const minutes = Math.floor((then - now) / 60_000);
  if (minutes < 1) return "in less than a minute";
  if (minutes < 60) return `in ${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return `in ${hours < 24 ? `${hours} h` : counted(Math.floor(hours / 24), "day")}`;
}

/** @param {number} time milliseconds since the epoch @returns {string} to the second, with the zone */
export const exactTime = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" });

/** @param {number} time milliseconds since the epoch @returns {string} such as "3 Feb, 14:05:09" */
export const shortTime = (time) =>
  new Date(time).toLocaleString("en-GB", { day: "numeric", month: "short", ...CLOCK, second: "2-digit" });
