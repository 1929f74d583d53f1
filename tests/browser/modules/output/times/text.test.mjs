/** What the gutter says of when a line was written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MODES, nextMode, timeText } from "../../../js/output/times/text.js";
import { speak } from "../../../js/words/language.js";

const START = 1_800_000_000;
const text = (mode, time, before = null) => timeText(mode, { time, before, start: START });

test("a key leads through the ways, and back to none", () => {
  assert.deepEqual(MODES.map(nextMode), ["clock", "start", "before", "none"]);
});

test("a time is that of the clock, to the tenth", () => {
  const local = new Date((START + 0.26) * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const clock = [local.getHours(), local.getMinutes(), local.getSeconds()].map(two).join(":");
  assert.equal(text("clock", START + 0.26), `${clock}.2`);
});

test("what has passed since the start grows by minutes and hours", () => {
  const said = [0, 0.04, 7.06, 59.96, 187.1, 3599.99, 3787.1, -0.04, -2.5].map((s) => text("start", START + s));
  assert.deepEqual(said, ["0.0", "0.0", "7.1", "1:00.0", "3:07.1", "1:00:00.0", "1:03:07.1", "0.0", "−2.5"]);
});

test("what has passed since the line before is said where there is some", () => {
  const said = [0, 0.04, 0.06, 61].map((passed) => text("before", START + passed, START));
  assert.deepEqual(said, ["", "", "+0.1", "+1:01.0"]);
  assert.equal(text("before", START, START + 2), "−2.0");
  assert.equal(text("before", START, null), "");
});

test("nothing is said of what is not known, or not asked for", () => {
  for (const mode of MODES) assert.equal(text(mode, null), "");
  assert.equal(text("none", START), "");
});

test("numbers are written as the language does", () => {
  speak("ru");
  assert.equal(text("start", START + 187.1), "3:07,1");
  speak("en");
});
