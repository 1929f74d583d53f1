/** The live end, where the cursor moves between its lines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { said, until } from "./served.mjs";

const { Tail } = await import("../../../js/output/lines/tail.js");

/** Feeds a frame for each text. */
async function fed(tail, texts) {
  let [offset, line] = [0, 1];
  for (const text of texts) {
    tail.take({ offset, next: offset + text.length, line, text });
    offset += text.length;
    line += text.split("\n").length - 1;
    await tail.screen?.shown;
    await until(() => !tail.rendered.running);
  }
}

test("what is redrawn a thousand times is one row for each", async () => {
  const tail = new Tail("terminal", () => {});
  const redrawn = Array.from({ length: 60 }, (_, i) => `\x1b[2Aa ${i}\nb ${i}\n`.repeat(10));
  await fed(tail, ["start\na\nb\n", ...redrawn, "end\n"]);
  const rows = Array.from({ length: 1204 }, (_, i) => tail.row(i + 1));
  assert.deepEqual(
    rows.filter((row) => row && !row.swallowed).map((row) => [row.number, said(row)]),
    [
      [1, "start"],
      [2, "a 59"],
      [3, "b 59"],
      [1204, "end"],
    ],
  );
  assert.ok(tail.has(2));
});

test("where the cursor stays in its line, no screen is kept", async () => {
  const tail = new Tail("terminal", () => {});
  await fed(tail, ["a\n\x1b[31mb\x1b[0m\n", "10%\r20%\x1b[K\n"]);
  assert.equal(tail.screen, null);
  assert.deepEqual([1, 2, 3].map((line) => said(tail.row(line))), ["a", "b", "20%"]);
});

test("as written, it leaves the screen", async () => {
  const tail = new Tail("terminal", () => {});
  await fed(tail, ["a\nb\n\x1b[2A1\n2\nend\n"]);
  assert.ok(tail.row(3).swallowed);
  tail.draw("written");
  await until(() => !tail.rendered.running);
  assert.equal(said(tail.row(3)), "␛[2A1");
});
