"""What is judged of due times: it finds what must not be, and nothing else."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.torture.due_times import LIMIT_REACHED, Found, Policy, violations

ALLOW, SKIP = Policy("allow", "once", 1), Policy("skip", "skip", 1)
START = datetime(2026, 11, 26, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def fire(second: int, outcome: str = "started", count: int = 1, **fields: Any) -> dict[str, Any]:
    """Return what came of a second, and of those after it; its run is named by the second."""
    last = at(second + count - 1)
    return {
        "due_at": at(second).isoformat(),
        "last_due_at": last.isoformat(),
        "count": count,
        "outcome": outcome,
        "reason": None,
        "run_id": str(second) if outcome == "started" else None,
        "decided_at": last.isoformat(),
        **fields,
    }


def run(second: int, state: str = "succeeded", **cause: Any) -> dict[str, Any]:
    why = {"kind": "schedule", "id": "s", "due_at": at(second).isoformat(), **cause}
    return {"id": str(second), "state": state, "reason": None, "cause": why}


def found(
    policy: Policy,
    fires: Sequence[dict[str, Any]],
    runs: Sequence[dict[str, Any]],
    spans: Mapping[int, tuple[float, ...]],
) -> list[str]:
    """Judge what became of three seconds; `spans` are when a second's run began, and ended."""
    ran = Found(
        schedule_id="s",
        since=at(0.5),
        until=at(3.2),
        fires=fires,
        runs=runs,
        begun={str(one): [at(second) for second in span[::2]] for one, span in spans.items()},
        ended={str(one): [at(second) for second in span[1::2]] for one, span in spans.items()},
    )
    return list(violations(policy, ran))


STARTED = [fire(1), fire(2), fire(3)]
RUNS = [run(1), run(2), run(3)]
SPANS: dict[int, tuple[float, ...]] = {1: (1.1, 2.5), 2: (2.1, 2.2), 3: (3.1, 3.2)}
SKIPPED = fire(2, "skipped_overlap", reason="run 1 was still active")
LONG_AFTER = at(90).isoformat()


def test_what_may_be_is_no_violation() -> None:
    assert found(ALLOW, STARTED, RUNS, SPANS) == []
    lost = [run(1, "lost"), run(2), run(3)]
    assert found(ALLOW, STARTED, lost, {**SPANS, 1: ()}) == []
    once = [fire(1, count=3, decided_at=LONG_AFTER)]
    assert found(ALLOW, once, [run(1)], {1: (90.5, 91)}) == []
    refused = fire(2, "refused", reason=LIMIT_REACHED)
    assert found(ALLOW, [fire(1), refused, fire(3)], [run(1), run(3)], SPANS | {2: ()}) == []
    assert found(SKIP, [fire(1), SKIPPED, fire(3)], [run(1), run(3)], SPANS | {2: ()}) == []
    assert found(SKIP, [fire(1, "missed", 3, decided_at=LONG_AFTER)], [], {}) == []
    later = fire(4, "refused", reason="the schedule was disabled while it waited")
    assert found(ALLOW, [*STARTED, later], RUNS, SPANS) == []


@pytest.mark.parametrize(
    ("policy", "fires", "runs", "spans", "text"),
    [
        (ALLOW, [fire(1), fire(3)], RUNS, SPANS, "12:00:03+00:00 was decided"),
        (ALLOW, [fire(1), *STARTED], RUNS, SPANS, "12:00:01+00:00 was decided"),
        (ALLOW, STARTED[:2], RUNS[:2], SPANS, "12:00:03+00:00 was not decided"),
        (ALLOW, [{**fire(1), "count": 2}, *STARTED[1:]], RUNS, SPANS, "not 2 due times"),
        (ALLOW, [fire(1), SKIPPED, fire(3)], RUNS, SPANS, "has it otherwise"),
        (ALLOW, [fire(1, "missed", 3, decided_at=LONG_AFTER)], [], {}, "has it otherwise"),
        (ALLOW, [fire(1, count=3)], RUNS[:1], SPANS, "has it otherwise"),
        (ALLOW, [fire(1, "refused", 3, reason="no")], [], {}, "has it otherwise"),
        (SKIP, [fire(1, "missed", 3)], [], {}, "has it otherwise"),
        (SKIP, [fire(1), {**SKIPPED, "reason": "run 3 was"}, fire(3)], RUNS, SPANS, "otherwise"),
        (SKIP, STARTED, RUNS, SPANS, "run 2 was started while run 1 went on"),
        (ALLOW, STARTED, RUNS[:2], SPANS, "run 3, which is not there"),
        (ALLOW, STARTED, [*RUNS, run(4)], SPANS, "run 4 has the cause"),
        (ALLOW, STARTED, [run(1, due_at=None), *RUNS[1:]], SPANS, "run 1 has the cause"),
        (ALLOW, STARTED, RUNS, {**SPANS, 1: (1.1, 1.2, 1.3)}, "run 1 was started 2 times"),
        (ALLOW, STARTED, RUNS, {**SPANS, 1: ()}, "run 1 was started 0 times"),
        (ALLOW, STARTED, [run(1, "stopped"), *RUNS[1:]], SPANS, "ended as stopped"),
        (ALLOW, STARTED, RUNS, {**SPANS, 3: (2.9, 3.2)}, "before it was due"),
        (ALLOW, [{**fire(1), "run_id": None}, *STARTED[1:]], RUNS, SPANS, "the run None"),
    ],
    ids=[
        *("forgotten", "twice", "not-decided", "count", "skipped", "missed", "together"),
        *("refused", "missed-too-soon", "overlaps-nothing", "overlap", "no-run", "stranger"),
        *("cause", "started-twice", "not-started", "stopped", "too-early", "run-unnamed"),
    ],
)
def test_what_must_not_be_is_found(
    policy: Policy,
    fires: list[dict[str, Any]],
    runs: list[dict[str, Any]],
    spans: dict[int, tuple[float, ...]],
    text: str,
) -> None:
    assert any(text in violation for violation in found(policy, fires, runs, spans))
