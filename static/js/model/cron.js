/** Cron lines, as far as there are simple words for them. Pure. */

/**
 * @typedef {object} Meaning which text says it, and with which values
 * @property {string} key of the page's words
 * @property {Record<string, unknown>} values numbers; `times`, such as ["03:00"]; `days`, of the week from 0, Sunday
 */

const NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const NUMBER = /^\d+$/;
const STEP = /^\*\/(\d+)$/;
const EACH = /^\*\/1$/;
const MOST_TIMES = 4;
const WEEKDAYS = "1,2,3,4,5";

/** @param {string} text @returns {number[]|null} the numbers of a list; null: it is something else */
function numbersOf(text) {
  const parts = text.split(",");
  return parts.every((part) => NUMBER.test(part)) ? parts.map(Number) : null;
}

/** @param {string} text @returns {number[]|null} days of the week of a list or a range; null: something else */
function daysOf(text) {
  const days = new Set();
  for (const part of text.toUpperCase().split(",")) {
    const [first, last = first] = part.split("-").map((name) => (NUMBER.test(name) ? Number(name) : NAMES.indexOf(name)));
    if (!(first >= 0 && last <= 7 && first <= last)) return null;
    for (let day = first; day <= last; day += 1) days.add(day % 7);
  }
  return [...days].sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7));
}

const two = (number) => String(number).padStart(2, "0");

/** @returns {string[]|null} such as ["09:00", "18:00"] */
function timesOf(minute, hour) {
  const [minutes, hours] = [numbersOf(minute), numbersOf(hour)];
  if (!minutes || !hours || minutes.length * hours.length > MOST_TIMES) return null;
  return hours.flatMap((each) => minutes.map((after) => `${two(each)}:${two(after)}`)).sort();
}

/** @returns {Meaning|null} of a line that is of every day */
function ofEveryDay(minute, hour) {
  [minute, hour] = [minute, hour].map((field) => field.replace(EACH, "*"));
  if (hour === "*" && minute === "*") return { key: "cron.minute", values: {} };
  const minutes = STEP.exec(minute);
  if (hour === "*" && minutes) return { key: "cron.minutes", values: { count: Number(minutes[1]) } };
  if (!NUMBER.test(minute)) return null;
  if (hour === "*") return { key: "cron.hour", values: { minute: two(minute) } };
  const hours = STEP.exec(hour);
  return hours && { key: "cron.hours", values: { count: Number(hours[1]), minute: two(minute) } };
}

/** @param {string} line @returns {Meaning|null} null: there are no simple words for it */
export function meaningOf(line) {
  const fields = line.split(" ");
  if (fields.length === 6) return fields.every((field) => field === "*") ? { key: "cron.second", values: {} } : null;
  const [minute, hour, day, month, weekday] = fields;
  if (month !== "*") return null;
  const always = day === "*" && weekday === "*";
  const times = timesOf(minute, hour);
  if (!times) return always ? ofEveryDay(minute, hour) : null;
  if (always) return { key: "cron.daily", values: { times } };
  if (weekday === "*") {
    if (day === "L") return { key: "cron.last-day", values: { times } };
    return NUMBER.test(day) ? { key: "cron.monthly", values: { day: Number(day), times } } : null;
  }
  const days = day === "*" && daysOf(weekday);
  if (!days) return null;
  if (days.join() === WEEKDAYS) return { key: "cron.weekdays", values: { times } };
  return { key: "cron.weekly", values: { days, times } };
}
