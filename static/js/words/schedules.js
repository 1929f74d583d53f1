/** When commands are started by themselves, in words. */
import { meaningOf } from "../model/cron.js";
import { language } from "./language.js";
import { list, times } from "./locale.js";
import { known, t } from "./words.js";

/** A Sunday, for the names of days. */
const SUNDAY = Date.UTC(2026, 10, 29);
const DAY_MS = 86_400_000;

/** @param {number} day of the week, from 0, Sunday @returns {string} such as "Monday", "понедельник" */
const dayName = (day) => times({ weekday: "long", timeZone: "UTC" }).format(SUNDAY + day * DAY_MS);

/**
 * @param {string} cron
 * @param {string} [words] the server's own, in English
 * @returns {string} what a line means; the line itself where there are no words for it
 */
export function cronText(cron, words) {
  const meaning = meaningOf(cron);
  if (!meaning) return language.value === "en" && words ? words : cron;
  const { times: at, days, ...values } = meaning.values;
  if (at) values.times = list(at);
  if (days) values.days = list(days.map(dayName));
  return t(meaning.key, values);
}

/** @param {string} at ISO 8601 with the offset of its zone @returns {Date} whose UTC is what the zone's clocks show */
const localOf = (at) => new Date(`${at.slice(0, 19)}Z`);

/** @param {string} at ISO 8601 @returns {string} as the clocks of its own zone show it: "Mon, 30 Nov, 03:00" */
export const zonedText = (at) =>
  times({
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: at.slice(17, 19) === "00" ? undefined : "2-digit",
    timeZone: "UTC",
  }).format(localOf(at));

/** @param {string} at ISO 8601 @returns {string} day alone */
const dayText = (at) => times({ day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }).format(localOf(at));

/** @param {{kind: string, text: string, begin: string|null, end: string|null, effect: string|null}} warning */
export function warningText({ kind, text, begin, end, effect }) {
  if (!begin || !end) return known(`schedule.warning.${kind}`, text);
  const values = { day: dayText(begin), begin: begin.slice(11, 16), end: end.slice(11, 16) };
  const key = `schedule.warning.${kind}.${effect}`;
  return known(key, "") ? t(key, values) : text;
}

/** @param {string} outcome of a due time @returns {string} */
export const outcomeText = (outcome) => known(`fire.${outcome}`, outcome);
