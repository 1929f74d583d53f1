"""The verdict finds what must not become of a victim, and nothing else."""

import random
from dataclasses import replace
from typing import Any

import pytest

from server.services.running.outcome import OUTPUT_CHANGED
from tests.torture.plans import SHELL, Plan
from tests.torture.verdict import Victim, violations

PLAN = replace(
    Plan.draw("a victim", random.Random(1)), template=SHELL, lines=50, exitcode=7, signal=None
)
HALF = PLAN.output[:90]
OTHER = b"x" + PLAN.output[1:]


def victim(*, output: bytes = PLAN.output, starts: int = 1, **fields: Any) -> Victim:
    """Return what a run leaves whose end is the true one, but for these fields."""
    run = {"state": "failed", "exitcode": 7, "signal": None, "reason": None} | fields
    return Victim(run, output, complete=True, starts=starts)


UNREAD = replace(victim(), complete=False)


def lost(**fields: Any) -> Victim:
    return victim(**{"state": "lost", "exitcode": None, "reason": "why"} | fields)


def found(run: Victim, *, whole: bool = True) -> list[str]:
    return list(violations(PLAN, run, whole=whole))


def test_what_may_be_is_no_violation() -> None:
    assert found(victim()) == []
    assert found(lost()) == []
    assert found(lost(output=HALF)) == []
    assert found(lost(output=OTHER), whole=False) == []
    assert found(victim(output=OTHER, reason=OUTPUT_CHANGED), whole=False) == []
    assert found(victim(output=b"", starts=0, exitcode=None, reason="not started")) == []


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (victim(state="running"), "still active"),
        (victim(starts=2), "started 2 times"),
        (UNREAD, "cannot be read"),
        (victim(output=HALF), "has no reason"),
        (victim(output=HALF, reason="why"), "it is not lost"),
        (victim(exitcode=0, reason="why"), "it ended as"),
        (lost(reason=None), "has no reason"),
        (lost(output=OTHER), "bytes of it are wrong"),
        (victim(output=OTHER, reason=OUTPUT_CHANGED), "bytes of it are wrong"),
    ],
)
def test_what_must_not_be_is_found(run: Victim, text: str) -> None:
    assert any(text in violation for violation in found(run))
