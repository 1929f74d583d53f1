/** The lines of a finished output: any of them, in bounded requests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { said, Served, until } from "./served.mjs";

const { Blocks } = await import("../../../js/output/lines/blocks.js");
const { Lines } = await import("../../../js/output/lines/lines.js");

const ended = (served, more = {}) => ({ id: "r", state: "succeeded", output_bytes: served.bytes.length, ...more });
const numbered = (count) => Array.from({ length: count }, (_, i) => `line ${i + 1}\n`).join("");

async function opened(served, { encoding = "utf-8", as = "terminal" } = {}) {
  const states = [];
  const listener = { onRun() {}, onState: (state) => states.push(state) };
  const lines = new Lines(ended(served), encoding, listener, { as });
  await until(() => lines.state.kind === "ended");
  return { lines, states };
}

/** @returns {Promise<object[]>} the rows, once they have come */
async function shown(lines, first, last) {
  lines.want(first, last);
  await until(() => lines.rows(first, last).every(Boolean) && !lines.blocks.job);
  return lines.rows(first, last);
}

test("a finished run opens at its end with one request", async () => {
  const served = new Served(numbered(1000));
  const { lines } = await opened(served);
  assert.equal(lines.lineCount, 1000);
  assert.equal(said(lines.rows(999, 1000)[0]), "line 1000");
  assert.deepEqual(served.asked, [{ tail: "200", max_bytes: "262144" }]);
  lines.dispose();
});

test("any line is read with its block, once", async () => {
  const served = new Served(numbered(10_000));
  const { lines } = await opened(served);
  const rows = await shown(lines, 5000, 5060);
  assert.deepEqual(rows.map(said), Array.from({ length: 60 }, (_, i) => `line ${5001 + i}`));
  assert.equal(rows[0].offset, Buffer.from(numbered(5000)).length);
  const asked = served.asked.length;
  assert.equal((await shown(lines, 5000, 5060))[7], rows[7], "the row is the same object");
  assert.equal(served.asked.length, asked);
  assert.ok(served.asked.every(({ max_bytes }) => Number(max_bytes) <= 262_144));
  assert.equal(served.asked[1].lines, "5001-5200");
  lines.dispose();
});

test("fifty blocks are kept", async () => {
  const served = new Served(numbered(20_000));
  const { lines } = await opened(served);
  for (let line = 0; line < 20_000; line += 200) await shown(lines, line, line + 60);
  assert.equal(lines.blocks.store.blocks.size, 50);
  lines.dispose();
});

test("what is not looked at any more is let go, and the latest wish comes first", async () => {
  const served = new Served(numbered(10_000));
  const { lines } = await opened(served);
  let release;
  served.held = new Promise((resolve) => (release = resolve));
  lines.want(1000, 1060);
  lines.want(3000, 3060);
  lines.want(7000, 7060);
  served.held = null;
  release();
  const rows = await shown(lines, 7000, 7060);
  assert.equal(said(rows[0]), "line 7001");
  assert.equal(lines.rows(1000, 1001)[0], null);
  assert.equal(lines.rows(3000, 3001)[0], null);
  lines.dispose();
});

test("of a long line the beginning is shown, and how much more there is", async () => {
  const long = 3_000_000;
  const served = new Served(`before\n${"x".repeat(long)}\nafter\n`);
  const { lines } = await opened(served);
  const [before, row, after] = await shown(lines, 0, 3);
  assert.deepEqual([said(before), said(after)], ["before", "after"]);
  await until(() => lines.rows(1, 2)[0].rest === long - 4096);
  assert.equal(said(row), "x".repeat(4096));
  assert.ok(served.sent < 1_000_000, `${served.sent} bytes`);
  lines.dispose();
});

test("lines after long ones are read piece by piece, and only as far as they are looked at", async () => {
  const served = new Served(Array.from({ length: 100 }, (_, i) => `${i} ${"y".repeat(50_000)}\n`).join(""));
  const { lines } = await opened(served);
  const before = served.sent;
  const rows = await shown(lines, 0, 8);
  assert.deepEqual(rows.map((row) => said(row).split(" ")[0]), ["0", "1", "2", "3", "4", "5", "6", "7"]);
  assert.ok(served.sent - before < 8_000_000);
  lines.dispose();
});

test("a line of updates shows what stands at its end", async () => {
  const updates = Array.from({ length: 100_000 }, (_, i) => `${i} of 100000\r`).join("");
  const served = new Served(`${updates}\nend of it\n`);
  const { lines } = await opened(served);
  lines.want(0, 2);
  await until(() => said(lines.rows(0, 1)[0])?.startsWith("99999 of 100000"));
  assert.equal(lines.rows(0, 1)[0].rest, 0);
  assert.ok(served.sent < 600_000, `${served.sent} bytes`);
  lines.dispose();
});

test("as written, the beginning of such a line is shown", async () => {
  const served = new Served(`${"1 of 2\r".repeat(10_000)}\n`);
  const { lines } = await opened(served, { as: "written" });
  lines.want(0, 1);
  await until(() => lines.rows(0, 1)[0]);
  assert.match(said(lines.rows(0, 1)[0]), /^1 of 2␍1 of 2␍/);
  lines.dispose();
});

test("lines of other encodings are read from their bytes", async () => {
  const cyrillic = new Served(new Uint8Array([0xcf, 0xf0, 10, 0xe8, 10]));
  const { lines } = await opened(cyrillic, { encoding: "windows-1251" });
  assert.deepEqual(lines.rows(0, 2).map(said), ["Пр", "и"]);
  lines.dispose();
  const wide = new Served(new Uint8Array(Buffer.from("\ufeffone\nдва\n\nĊ!\nend", "utf16le")));
  const { lines: sixteen } = await opened(wide, { encoding: "utf-16le" });
  assert.deepEqual(sixteen.rows(0, 6).map(said), ["one", "два", "", "Ċ", "!", "end"]);
  sixteen.dispose();
  const { lines: closed } = await opened(new Served(new Uint8Array(Buffer.from("one\nдва\n", "utf16le"))), {
    encoding: "utf-16le",
  });
  assert.equal(closed.lineCount, 2, "half a newline is no line");
  assert.deepEqual(closed.rows(0, 2).map(said), ["one", "два"]);
  closed.dispose();
});

test("what could not be read is read again, and says so meanwhile", async () => {
  const served = new Served(numbered(1000));
  const { lines } = await opened(served);
  served.failing = new TypeError("fetch failed");
  lines.want(0, 60);
  await until(() => lines.state.kind === "reconnecting");
  served.failing = null;
  lines.retry();
  assert.equal(said((await shown(lines, 0, 60))[0]), "line 1");
  assert.equal(lines.state.kind, "ended");
  lines.dispose();
});

test("lines that an output which is followed has left behind are not read", async () => {
  const served = new Served(numbered(10_000));
  const listener = { onChange() {}, onSize() {}, onProblem() {}, onTail() {} };
  const blocks = new Blocks("r", "utf-8", listener, "terminal");
  let streamed = 0;
  blocks.isElsewhere = (number) => number > streamed - 200 && number <= streamed;
  for (streamed = 1000; streamed <= 5000; streamed += 1000) {
    blocks.grow(10 * streamed, streamed);
    blocks.want(streamed - 39, streamed + 1);
  }
  assert.deepEqual(served.asked, []);
  blocks.want(2001, 2041);
  await until(() => !blocks.job);
  assert.deepEqual(served.asked[0], { lines: "2001-2200", max_bytes: "262144" });
  blocks.close();
});
