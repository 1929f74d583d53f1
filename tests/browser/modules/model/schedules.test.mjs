/** Cron lines in words, and due times on the days of a week. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { meaningOf } from "../../js/model/cron.js";
import { isDense, ticksOf, weekOf } from "../../js/model/week.js";

const HOUR = 3_600_000;

for (const [line, key, values] of [
  ["* * * * * *", "cron.second", {}],
  ["* * * * *", "cron.minute", {}],
  ["*/5 * * * *", "cron.minutes", { count: 5 }],
  ["*/1 */1 * * *", "cron.minute", {}],
  ["7 */1 * * *", "cron.hour", { minute: "07" }],
  ["7 * * * *", "cron.hour", { minute: "07" }],
  ["0 */6 * * *", "cron.hours", { count: 6, minute: "00" }],
  ["30 2 * * *", "cron.daily", { times: ["02:30"] }],
  ["0,30 9,18 * * *", "cron.daily", { times: ["09:00", "09:30", "18:00", "18:30"] }],
  ["0 3 * * 1-5", "cron.weekdays", { times: ["03:00"] }],
  ["0 3 * * mon-fri", "cron.weekdays", { times: ["03:00"] }],
  ["0 3 * * 0,SAT", "cron.weekly", { days: [6, 0], times: ["03:00"] }],
  ["0 3 * * 6-7", "cron.weekly", { days: [6, 0], times: ["03:00"] }],
  ["0 3 15 * *", "cron.monthly", { day: 15, times: ["03:00"] }],
  ["0 3 L * *", "cron.last-day", { times: ["03:00"] }],
]) {
  test(`${line} has simple words`, () => assert.deepEqual(meaningOf(line), { key, values }));
}

for (const line of [
  "0 3 1 1 *",
  "0 9 * * MON#1",
  "0 9 * * 5L",
  "1,2,3,4,5 * * * *",
  "0,10,20,30,40 3 * * *",
  "*/7 3 * * *",
  "0 3 1 * 1",
  "0 3 LW * *",
  "5 * * * * *",
  "5-10 * * * *",
]) {
  test(`${line} has none`, () => assert.equal(meaningOf(line), null));
}

test("due times stand where they are on their day", () => {
  const days = weekOf(new Date(2026, 10, 26, 15, 30).getTime());
  assert.deepEqual(
    days.map((day) => new Date(day).getDate()),
    [26, 27, 28, 29, 30, 1, 2, 3],
  );
  const iso = (time) => new Date(time).toISOString();
  const ticks = ticksOf([iso(days[0] + 18 * HOUR), iso(days[1]), iso(days[7])], days);
  assert.deepEqual(ticks, [[0.75], [0], [], [], [], [], []]);
});

test("many due times are a band", () => {
  const due = (count) => Array.from({ length: count }, () => "2026-11-26T00:00:00Z");
  assert.equal(isDense({ times: due(84), more: false }), false);
  assert.equal(isDense({ times: due(85), more: false }), true);
  assert.equal(isDense({ times: due(1), more: true }), true);
  assert.equal(isDense({ times: null, more: false }), false);
});
