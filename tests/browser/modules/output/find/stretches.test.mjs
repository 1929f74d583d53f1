import assert from "node:assert/strict";
import { test } from "node:test";
import { HitLines } from "../../../js/output/find/content.js";
import { Hits } from "../../../js/output/find/hits.js";
import { entriesOf } from "../../../js/output/find/stretches.js";

const LINES = 5000;
const texts = (first, last) => Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => `line ${first + index}`);

/** A hit as the server tells it, with so many lines around. */
const hit = (line, context) => ({
  line, offset: line * 10, text: `line ${line}`,
  before: texts(Math.max(1, line - context), line - 1),
  after: texts(line + 1, Math.min(LINES, line + context)),
});

/** Entries as text: a hit's number, another line's in brackets, how many are left out. */
const told = (entries) => entries.map(({ line, hit: one, gap, text }) => {
  if (one) return String(line);
  if (gap) return `${gap} from ${line}`;
  assert.equal(text, `line ${line}`);
  return `(${line})`;
});

test("each line around matches is told once, and what is left out between", () => {
  const hits = [3, 5, 9, 13, 100].map((line) => hit(line, 2));
  assert.deepEqual(told(entriesOf([null, ...hits], { context: 2, isLast: true })), [
    "(1)", "(2)", "3", "(4)", "5", "(6)", "(7)", "(8)", "9", "(10)", "(11)", "(12)", "13", "(14)", "(15)",
    "82 from 16", "(98)", "(99)", "100", "(101)", "(102)",
  ]);
});

test("what lies behind a match belongs to the one that follows, wherever blocks end", () => {
  const [one, other] = [hit(10, 2), hit(13, 2)];
  const rows = [...entriesOf([null, one], { context: 2, isLast: false }), ...entriesOf([one, other], { context: 2, isLast: true })];
  assert.deepEqual(told(rows), ["(8)", "(9)", "10", "(11)", "(12)", "13", "(14)", "(15)"]);
});

test("matches alone have nothing between them", () => {
  assert.deepEqual(told(entriesOf([null, hit(3, 0), hit(90, 0)], { context: 0, isLast: true })), ["3", "90"]);
});

/** A server of these hits. @param {number[]} all */
const server = (all) => async (values) => {
  if (values.histogram) {
    return { items: [], count: all.length, complete: true, size: 1, next: null, histogram: [[all[0], all.length]] };
  }
  const found = all.filter((line) => line >= values.from && line <= (values.until ?? Infinity));
  const items = found.slice(values.skip ?? 0).slice(0, values.limit).map((line) => hit(line, values.context));
  return { items, count: found.length, complete: true, next: null, size: 1, histogram: [] };
};

/** @param {number[]} all @param {number} context */
async function shown(all, context) {
  const hits = new Hits(server(all), () => {});
  hits.setContext(context);
  await hits.counting;
  return { hits, lines: new HitLines(hits) };
}

const near = [...Array.from({ length: 60 }, (_, index) => 100 + 2 * index), ...Array.from({ length: 60 }, (_, index) => 1000 + 50 * index)];

test("rows go on from block to block, and every line of them is found again", async () => {
  const { hits, lines } = await shown(near, 3);
  assert.equal(lines.count, 120 * 8); // as many as it can be, while nothing is known
  await lines.want(0, lines.count);
  for (let ordinal = 0; ordinal < near.length; ordinal += 50) await hits.at(ordinal);
  const expected = told(entriesOf([null, ...near.map((line) => hit(line, 3))], { context: 3, isLast: true }));
  assert.equal(lines.count, expected.length);
  const numbers = Array.from({ length: lines.count }, (_, index) => lines.lineOf(index));
  assert.deepEqual(numbers, [...numbers].sort((one, other) => one - other));
  assert.deepEqual(numbers.map((line) => lines.indexOf(line)), numbers.map((_, index) => index));
  assert.equal(numbers[expected.indexOf("1000")], 1000);
  hits.dispose();
});

test("a match of a block that is there is found, though blocks before it are not", async () => {
  const { hits, lines } = await shown(near, 1);
  await hits.at(115);
  const line = near[115];
  const index = lines.indexOf(line);
  assert.equal(lines.lineOf(index), line);
  assert.equal(lines.rows(index, index + 1)[0].number, line);
  assert.equal(lines.rows(index - 1, index)[0].beside, "context");
  assert.equal(lines.rows(index - 2, index - 1)[0].beside, "gap");
  assert.equal(lines.rows(0, 1)[0], null);
  assert.equal(lines.indexOf(near[0]), 0);
  hits.dispose();
});

test("other lines around matches are asked for anew", async () => {
  const { hits, lines } = await shown([10, 20], 0);
  await hits.at(0);
  assert.equal(lines.count, 2);
  hits.setContext(1);
  assert.equal(hits.known(0), null);
  await hits.at(0);
  assert.equal(lines.count, 7);
  hits.dispose();
});

test("lines around matches are asked for, though the matches alone are under way", async () => {
  const { hits, lines } = await shown([10, 20], 0);
  const alone = hits.want(0, 2);
  hits.setContext(1);
  await Promise.all([alone, hits.want(0, 8)]);
  assert.equal(lines.count, 7);
  hits.dispose();
});

test("matches that come later are fetched, though their block was there", async () => {
  const all = [10, 20];
  const { hits, lines } = await shown(all, 0);
  await hits.at(0);
  all.push(30);
  Object.assign(hits, { count: 3 });
  assert.equal(lines.rows(2, 3)[0], null);
  await hits.want(0, 3);
  assert.equal(lines.rows(2, 3)[0].number, 30);
  hits.dispose();
});
