/** Which runs are listed, as the address says it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { askedRuns, belongs, filterOf, statesOf } from "../../js/model/run_filter.js";

const at = (hour, day = 2) => new Date(2026, 0, day, hour).getTime();
const iso = (time) => new Date(time).toISOString();

test("the address names what is asked for; what is no state is none", () => {
  const filter = filterOf(new URLSearchParams("state=lost,asleep,failed&q=disk+full&colour=red&exitcode="));
  assert.deepEqual(filter, { state: "failed,lost", q: "disk full" });
  assert.deepEqual(statesOf({}), []);
  assert.deepEqual(filterOf(new URLSearchParams("state=asleep")), {});
});

test("a night is from the evening to the morning, and is not over before that", () => {
  assert.deepEqual(askedRuns({ when: "night" }, at(10)), { since: iso(at(18, 1)), until: iso(at(8)) });
  assert.deepEqual(askedRuns({ when: "night" }, at(3)), { since: iso(at(18, 1)) });
  assert.deepEqual(askedRuns({ when: "today" }, at(10)), { since: iso(at(0)) });
  assert.deepEqual(askedRuns({ when: "ever" }, at(10)), {});
});

test("times are of the browser's zone, and what is no value is left out", () => {
  const filter = { since: "2026-01-02T10:00", until: "soon", min_seconds: "1.5", exitcode: "x", state: "failed" };
  assert.deepEqual(askedRuns(filter, at(10)), { since: iso(at(10)), min_seconds: "1.5", state: "failed" });
});

test("a run belongs where the server would list it", () => {
  const run = {
    state: "failed",
    command_id: "c",
    created_at: iso(at(10)),
    start_time: iso(at(10)),
    end_time: iso(at(10) + 60_000),
    exitcode: 3,
    reason: "The disk is full",
  };
  const now = at(12);
  const holds = [
    {},
    { state: "failed,lost" },
    { command_id: "c" },
    { since: iso(at(10)) },
    { until: iso(at(11)) },
    { min_seconds: "60", max_seconds: "60" },
    { exitcode: "3" },
    { q: "DISK full" },
  ];
  const fails = [
    { state: "lost" },
    { command_id: "d" },
    { since: iso(at(11)) },
    { until: iso(at(10)) },
    { min_seconds: "61" },
    { max_seconds: "59" },
    { exitcode: "0" },
    { q: "memory" },
  ];
  for (const asked of holds) assert.ok(belongs(asked, now)(run), JSON.stringify(asked));
  for (const asked of fails) assert.ok(!belongs(asked, now)(run), JSON.stringify(asked));
  const active = { ...run, state: "running", end_time: null, exitcode: null, reason: null };
  assert.ok(belongs({ min_seconds: "7200" }, now)(active));
  assert.ok(!belongs({ min_seconds: "0" }, now)({ ...active, state: "queued" }));
});
