/** Values as people read them, in their language. */
import { numbers, times } from "./locale.js";
import { t } from "./words.js";

export { list } from "./locale.js";

const CLOCK = { hour: "2-digit", minute: "2-digit" };
const SIZES = ["size.b", "size.kb", "size.mb", "size.gb", "size.tb"];

/**
 * @param {number} count bytes
 * @returns {string} such as "12.3 kB"
 */
export function bytes(count) {
  let unit = 0;
  while (count >= 999.95 && unit < SIZES.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return t(SIZES[unit], { size: numbers(unit === 0 || count >= 99.95 ? 0 : 1).format(count) });
}

/** @param {number} count @returns {string} such as "20,000" */
export const whole = (count) => numbers(0).format(count);

/**
 * @param {number} ms
 * @returns {string} such as "850 ms", "12.3 s", "2 min 5 s", "1 h 3 min", "2 d 4 h"
 */
export function duration(ms) {
  ms = Math.max(0, ms);
  if (ms < 1000) return t("time.ms", { ms: Math.round(ms) });
  if (ms < 59_950) return t("time.s", { s: numbers(1).format(ms / 1000) });
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("time.min-s", { min: minutes, s: seconds % 60 });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return t("time.h-min", { h: hours, min: minutes % 60 });
  return t("time.d-h", { d: Math.floor(hours / 24), h: hours % 24 });
}

/**
 * @param {number} ms how long a run has been going; whole seconds, so that it ticks calmly
 * @returns {string}
 */
export const ticking = (ms) => (ms < 60_000 ? t("time.s", { s: Math.max(0, Math.floor(ms / 1000)) }) : duration(ms));

/**
 * @param {number} then milliseconds since the epoch
 * @param {number} now
 * @returns {string} such as "just now", "2 min ago", "3 Feb, 14:05"
 */
export function ago(then, now) {
  const seconds = Math.floor((now - then) / 1000);
  if (seconds < 10) return t("ago.now");
  if (seconds < 60) return t("ago.s", { s: seconds });
  if (seconds < 3600) return t("ago.min", { min: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t("ago.h", { h: Math.floor(seconds / 3600) });
  if (seconds < 7 * 86_400) return t("ago.days", { count: Math.floor(seconds / 86_400) });
  const year = new Date(then).getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
  const day = times({ day: "numeric", month: "short", year }).format(then);
  return `${day}, ${times(CLOCK).format(then)}`;
}

/**
 * @param {number} then milliseconds since the epoch, to come
 * @param {number} now
 * @returns {string} such as "in 5 min", "in 89 days"
 */
export function ahead(then, now) {
  const minutes = Math.floor((then - now) / 60_000);
  if (minutes < 1) return t("ahead.soon");
  if (minutes < 60) return t("ahead.min", { min: minutes });
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? t("ahead.h", { h: hours }) : t("ahead.days", { count: Math.floor(hours / 24) });
}

/** @param {number} time milliseconds since the epoch @returns {string} to the second, with the zone */
export const exactTime = (time) => times({ dateStyle: "medium", timeStyle: "long" }).format(time);

/** @param {number} time milliseconds since the epoch @returns {string} such as "3 Feb, 14:05:09" */
export const shortTime = (time) => times({ day: "numeric", month: "short", ...CLOCK, second: "2-digit" }).format(time);
