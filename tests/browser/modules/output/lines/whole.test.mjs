/** A small output in which the cursor moved between lines: drawn by one terminal, from its start to its end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { said, Served, until } from "./served.mjs";

const { Lines } = await import("../../../js/output/lines/lines.js");

/** Two rows that are redrawn, a thousand lines of it. */
const REDRAWN = Array.from({ length: 500 }, (_, i) => `${i ? "\x1b[2A" : ""}a ${i}\nb ${i}\n`).join("");

async function opened(served, as = "terminal") {
  const run = { id: "r", state: "succeeded", output_bytes: served.bytes.length };
  const lines = new Lines(run, "utf-8", { onRun() {}, onState() {} }, { as });
  await until(() => lines.state.kind === "ended");
  return lines;
}

const whole = ({ asked }) => asked.filter(({ offset }) => offset === "0");

test("what was redrawn is one row for each, with its last text", async () => {
  const served = new Served(`start\n${REDRAWN}end\n`);
  const lines = await opened(served);
  lines.rows(900, 1002);
  await until(() => lines.whole.rows.size > 0);
  const rows = lines.rows(0, 1002);
  assert.deepEqual(
    rows.filter(({ swallowed }) => !swallowed).map((row) => [row.number, said(row)]),
    [
      [1, "start"],
      [2, "a 499"],
      [3, "b 499"],
      [1002, "end"],
    ],
  );
  assert.deepEqual(whole(served), [{ offset: "0", max_bytes: "1000000" }]);
  assert.equal(lines.rows(0, 1)[0], rows[0], "the row is the same object");
  lines.dispose();
});

test("one that is large, only coloured, or shown as written is not read whole", async () => {
  const cases = [
    [`${REDRAWN}${"x".repeat(99)}\n`.padStart(1_000_100, "x"), "terminal"],
    ["\x1b[31mred\x1b[0m\r\x1b[Kx\n".repeat(1000), "terminal"],
    [REDRAWN, "written"],
  ];
  for (const [text, as] of cases) {
    const served = new Served(text);
    const lines = await opened(served, as);
    const count = lines.lineCount;
    lines.want(count - 60, count);
    await until(() => lines.rows(count - 60, count).every(Boolean) && !lines.blocks.job);
    assert.deepEqual(whole(served), []);
    lines.dispose();
  }
});
