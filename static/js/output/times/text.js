/** What the gutter says of when a line was written. Pure. */
import { numbers, times } from "../../words/locale.js";

/** @typedef {"none"|"clock"|"start"|"before"} TimesMode */

/** In the order in which a key leads through them. @type {TimesMode[]} */
export const MODES = ["none", "clock", "start", "before"];

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 1 };
const MINUTE = 60;
const HOUR = 3600;
/** Times are known to a tenth of a second, and no more is said. */
const LEAST_SECONDS = 0.05;

/** @param {TimesMode} mode @returns {TimesMode} the one after it */
export const nextMode = (mode) => MODES[(MODES.indexOf(mode) + 1) % MODES.length];

/**
 * @param {TimesMode} mode
 * @param {{time: number|null, before: number|null, start: number}} known unix seconds: of the line, of the one before,
 * of the run's start; null: not known
 * @returns {string} "" where there is nothing to say
 */
export function timeText(mode, { time, before, start }) {
  if (mode === "none" || time === null) return "";
  if (mode === "clock") return times(CLOCK).format(time * 1000);
  if (mode === "start") return span(time - start);
  const passed = before === null ? 0 : time - before;
  if (Math.abs(passed) < LEAST_SECONDS) return "";
  return (passed < 0 ? "" : "+") + span(passed);
}

/** @param {number} seconds @returns {string} such as "7.1", "3:07.1", "1:03:07.1" */
function span(seconds) {
  const tenths = Math.round(Math.abs(seconds) * 10);
  const sign = seconds < 0 && tenths > 0 ? "−" : "";
  const whole = Math.floor(tenths / 10);
  const rest = (whole % MINUTE) + (tenths % 10) / 10;
  const written = numbers(1).format(rest);
  if (whole < MINUTE) return sign + written;
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  const padded = rest < 10 ? `0${written}` : written;
  if (whole < HOUR) return `${sign}${minutes}:${padded}`;
  return `${sign}${Math.floor(whole / HOUR)}:${String(minutes).padStart(2, "0")}:${padded}`;
}
