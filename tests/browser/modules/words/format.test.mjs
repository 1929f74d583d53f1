/** Values as people read them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, ahead, bytes, duration, exactTime, list, shortTime, ticking, whole } from "../../js/words/format.js";
import { speak } from "../../js/words/language.js";

speak("en");

test("sizes have three digits at most", () => {
  const sizes = [0, 999, 1000, 12_345, 99_960, 999_960, 300e6];
  assert.deepEqual(sizes.map(bytes), ["0 B", "999 B", "1.0 kB", "12.3 kB", "100 kB", "1.0 MB", "300 MB"]);
});

test("durations have two units at most", () => {
  const durations = [5, 999, 1000, 59_949, 59_960, 125_000, 3_780_000, 90_000_000];
  const words = ["5 ms", "999 ms", "1.0 s", "59.9 s", "1 min 0 s", "2 min 5 s", "1 h 3 min", "1 d 1 h"];
  assert.deepEqual(durations.map(duration), words);
});

test("a running duration ticks in whole seconds", () => {
  assert.deepEqual([-5, 999, 59_999, 60_000].map(ticking), ["0 s", "0 s", "59 s", "1 min 0 s"]);
});

test("times are relative to now", () => {
  assert.deepEqual(
    [5000, 45_000, 120_000, 7_200_000, 86_400_000].map((now) => ago(0, now)),
    ["just now", "45 s ago", "2 min ago", "2 h ago", "1 day ago"],
  );
});

test("times to come are relative to now", () => {
  assert.deepEqual(
    [59_000, 90_000, 3_600_000, 86_400_000, 90 * 86_400_000].map((then) => ahead(then, 0)),
    ["in less than a minute", "in 1 min", "in 1 h", "in 1 day", "in 90 days"],
  );
});

test("times and lists are as the language writes them", () => {
  const time = Date.parse("2026-02-03T14:05:09Z") + new Date(0).getTimezoneOffset() * 60_000;
  assert.match(shortTime(time), /^3 Feb, 14:05:09$/);
  assert.match(exactTime(time), /^3 Feb 2026, 14:05:09 /);
  assert.equal(list(["one", "two", "three"]), "one, two and three");
});

test("the same in Russian", () => {
  speak("ru");
  const said = [
    ...[bytes(999), bytes(12_345), whole(20_000), duration(12_300), duration(125_000), duration(90_000_000)],
    ...[ago(0, 86_400_000), ago(0, 3 * 86_400_000), ahead(90 * 86_400_000, 0), ticking(59_999), list(["а", "б"])],
  ];
  speak("en");
  assert.deepEqual(
    said.map((text) => text.replaceAll("\u00a0", " ")),
    [
      ...["999 Б", "12,3 кБ", "20 000", "12,3 с", "2 мин 5 с", "1 д 1 ч"],
      ...["1 день назад", "3 дня назад", "через 90 дней", "59 с", "а и б"],
    ],
  );
});
