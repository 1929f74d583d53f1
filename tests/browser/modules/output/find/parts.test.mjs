import assert from "node:assert/strict";
import { test } from "node:test";
import { Hits } from "../../../js/output/find/hits.js";
import { Parts } from "../../../js/output/find/parts.js";
import { ALL, asked, expression, pathWithQuery, pathWithShown, readQuery, readShown } from "../../../js/output/find/query.js";

const QUERY = { text: "a.b", regex: false, case: false, word: false };

test("a hit's part is found by its line and by its ordinal", () => {
  const parts = new Parts();
  parts.add([[3, 2], [10, 5]]);
  parts.add([[40, 1]]);
  assert.equal(parts.ofLine(2), null);
  assert.deepEqual(parts.ofLine(10), { line: 10, hits: 5, first: 2 });
  assert.deepEqual(parts.ofOrdinal(1), { line: 3, hits: 2, first: 0 });
  assert.deepEqual(parts.ofOrdinal(7), { line: 40, hits: 1, first: 7 });
  assert.equal(parts.last, 40);
});

test("an address names a search, and what else it names stays", () => {
  const path = pathWithQuery("#/runs/1?line=3", { ...QUERY, regex: true });
  assert.equal(path, "/runs/1?line=3&find=a.b&regex=1");
  assert.deepEqual(readQuery(new URLSearchParams(path.split("?")[1])), { ...QUERY, regex: true });
  assert.equal(pathWithQuery(`#${path}`, { ...QUERY, text: "" }), "/runs/1?line=3");
  assert.deepEqual(asked({ ...QUERY, word: true }), { q: "a.b", word: "true" });
});

test("an address names how matches are shown", () => {
  const path = pathWithShown("#/runs/1?find=a", { only: true, context: 3 });
  assert.equal(path, "/runs/1?find=a&only=1&context=3");
  assert.deepEqual(readShown(new URLSearchParams("only=1&context=3")), { only: true, context: 3 });
  assert.deepEqual(readShown(new URLSearchParams("only=1&context=4")), { only: true, context: 0 });
  assert.deepEqual(readShown(new URLSearchParams("context=3")), ALL);
  assert.equal(pathWithShown(`#${path}`, ALL), "/runs/1?find=a");
});

test("rows are searched as the server searches lines", () => {
  const found = (query, text) => [...text.matchAll(expression({ ...QUERY, ...query }))].map((match) => match[0]);
  assert.deepEqual(found({}, "axb A.B"), ["A.B"]);
  assert.deepEqual(found({ case: true }, "A.B a.b"), ["a.b"]);
  assert.deepEqual(found({ regex: true }, "axb"), ["axb"]);
  assert.deepEqual(found({ text: "дом", word: true }, "домик дом"), ["дом"]);
  assert.equal(expression({ ...QUERY, text: "(", regex: true }), null);
});

/** A server whose every tenth line of a thousand is a hit, and which answers in steps. */
function server(log) {
  const all = Array.from({ length: 100 }, (_, index) => 10 * (index + 1));
  return async (values) => {
    log.push(values);
    if (values.histogram) {
      const half = values.cursor ? all.slice(50) : all.slice(0, 50);
      return { items: [], count: values.cursor ? 100 : 50, complete: Boolean(values.cursor), size: 1,
        next: values.cursor ? null : "half", histogram: [[half[0], 50]] };
    }
    const lines = all.filter((line) => line >= values.from && line <= (values.until ?? Infinity));
    const items = lines.slice(values.skip ?? 0).slice(0, values.limit).map((line) => ({ line }));
    return { items, count: lines.length, complete: true, next: null, size: 1, histogram: [] };
  };
}

test("hits are counted on by the cursor, and found by line and by ordinal", async () => {
  const log = [];
  const hits = new Hits(server(log), () => {});
  assert.deepEqual(await hits.from(15), { line: 20 });
  assert.deepEqual(await hits.before(515), { line: 510 });
  assert.equal(await hits.before(10), null);
  assert.deepEqual(await hits.last(), { line: 1000 });
  assert.deepEqual(log.filter((values) => values.histogram).map((values) => values.cursor), [undefined, "half"]);
  assert.equal(await hits.ordinalOf(515), 51);
  const before = log.length;
  assert.deepEqual(await hits.at(52), { line: 530 });
  assert.equal(log.length, before); // of a block that is there
  assert.deepEqual(await hits.from(1001), { line: 10 }); // the first of all
  hits.dispose();
});

test("a search that fails says why", async () => {
  const hits = new Hits(async () => {
    throw new Error("missing )");
  }, () => {});
  await hits.counting;
  assert.equal(hits.problem.message, "missing )");
});
