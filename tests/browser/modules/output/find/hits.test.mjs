import assert from "node:assert/strict";
import { test } from "node:test";
import { Hits } from "../../../js/output/find/hits.js";

const LINES = 1000;
/** A call looks at so many lines. */
const A_CALL = 300;

/** A server that searches lines for those of `matching`, and keeps what was asked, and what each call looked at. */
function served(matching) {
  const [asked, looked] = [[], []];
  const ask = async (values, { signal }) => {
    asked.push(values);
    const cursor = values.cursor ? JSON.parse(values.cursor) : { line: values.from ?? 1, count: 0 };
    await new Promise(setImmediate);
    signal.throwIfAborted();
    const first = cursor.line;
    const [items, end] = [[], Math.min(LINES + 1, first + A_CALL)];
    let { line, count } = cursor;
    for (; line < end && !(values.limit && items.length === values.limit); line += 1) {
      if (!matching.includes(line)) continue;
      count += 1;
      if (values.limit) items.push({ line });
    }
    looked.push([first, line - 1]);
    const complete = line > LINES;
    const histogram = count > cursor.count ? [[matching.find((one) => one >= first), count - cursor.count]] : [];
    return { items, count, complete, next: complete ? null : JSON.stringify({ line, count }), size: LINES, histogram };
  };
  return { ask, asked, looked };
}

const linesOf = (looked) => looked.reduce((sum, [first, last]) => sum + last - first + 1, 0);

test("what is looked at for the first hit is counted with it, and looked at once", async () => {
  const { ask, looked } = served([700, 800]);
  const hits = new Hits(ask, () => {});
  assert.equal((await hits.from(1)).line, 700);
  await hits.counting;
  assert.deepEqual([hits.count, hits.complete, linesOf(looked)], [2, true, LINES]);
  assert.equal(await hits.ordinalOf(800), 1);
});

test("a hit that is waited for comes before the counting, from a line on as well as from the start", async () => {
  const { ask, asked, looked } = served([700]);
  const hits = new Hits(ask, () => {});
  assert.equal((await hits.from(950)).line, 700);
  assert.deepEqual(
    asked.map(({ limit }) => limit),
    [1, 1, 1, 1],
  );
  await hits.counting;
  assert.deepEqual([hits.count, linesOf(looked)], [1, LINES + 51]);
});

test("where there is none, what was looked at for one is all that is looked at", async () => {
  const { ask, asked } = served([]);
  const hits = new Hits(ask, () => {});
  assert.equal(await hits.from(1), null);
  await hits.counting;
  assert.deepEqual([hits.count, hits.complete, asked.length], [0, true, 4]);
});

test("nothing but a count is asked for where nobody waits, once", async () => {
  const { ask, asked } = served([10, 700]);
  const hits = new Hits(ask, () => {});
  await hits.counting;
  assert.deepEqual([hits.count, asked.length, asked.every(({ limit }) => limit === 0)], [2, 4, true]);
});

test("a hit is found while a count is under way, which then goes on", async () => {
  const { ask, looked } = served([10, 950]);
  const hits = new Hits(ask, () => {});
  await new Promise(setImmediate);
  assert.equal((await hits.from(900)).line, 950);
  await hits.counting;
  assert.deepEqual([hits.count, hits.complete], [2, true]);
  assert.equal(linesOf(looked), LINES + 51);
});

test("one that is left asks for nothing more", async () => {
  const { ask, asked } = served([700]);
  const hits = new Hits(ask, () => {});
  const hit = hits.from(1).catch(({ name }) => name);
  hits.dispose();
  assert.equal(await hit, "AbortError");
  await hits.counting;
  assert.ok(asked.length <= 2);
});
