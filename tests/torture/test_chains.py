"""What is judged of chains of attempts: it finds what must not be, and nothing else."""

from typing import Any

import pytest

from tests.torture.chains import Policy, violations
from tests.torture.listener import TARGETS, Heard

POLICY = Policy(codes=(75, 0), limit=1, exit_codes=(75,))


def run(attempt: int, state: str, code: int | None, **fields: Any) -> dict[str, Any]:
    cause = {"kind": "retry", "id": "1", "due_at": None} if attempt > 1 else None
    before = str(attempt - 1) if attempt > 1 else None
    return {
        "id": str(attempt),
        "attempt": attempt,
        "state": state,
        "exitcode": code,
        "reason": None,
        "retry_of": before,
        "cause": cause,
        **fields,
    }


def heard(run_id: str, occasion: str = "run.succeeded", *ids: str, accepted: bool = True) -> Any:
    messages = [Heard(one, run_id, occasion, accepted) for one in ids or ("n",)]
    return {run_id: dict.fromkeys(TARGETS, messages)}


def found(
    *runs: dict[str, Any],
    notes: tuple[str, ...] = ("1 1", "2 2"),
    told: Any = None,
    policy: Policy = POLICY,
) -> list[str]:
    silence = {one["id"]: dict.fromkeys(TARGETS, ()) for one in runs}
    return list(violations(policy, runs, notes, silence | (told or {})))


FAILED, SUCCEEDED = run(1, "failed", 75), run(2, "succeeded", 0)
STOPPED = run(2, "stopped", None)


def test_what_may_be_is_no_violation() -> None:
    stopping = Policy(codes=(75, 0), limit=1, stops=True)
    assert found(FAILED, SUCCEEDED, told=heard("2")) == []
    assert found(FAILED, SUCCEEDED, told=heard("2", "run.succeeded", "n", "n")) == []
    lost = run(1, "lost", None)
    assert found(lost, run(2, "lost", None), notes=(), told=heard("2", "run.failed")) == []
    assert found(FAILED, STOPPED, notes=("1 1",), policy=stopping) == []


TWICE = [FAILED, SUCCEEDED, {**SUCCEEDED, "id": "3"}]


@pytest.mark.parametrize(
    ("runs", "given", "text"),
    [
        ([FAILED], {"notes": ("1 1",)}, "ended as failed, and 0 follow"),
        (TWICE, {"told": heard("3")}, "run 3 is attempt 2, after 1"),
        ([FAILED, SUCCEEDED], {"told": heard("2"), "notes": ("1 1", "2 2", "2 2")}, "2 times"),
        ([FAILED, SUCCEEDED], {"told": heard("2"), "notes": ("1 1",)}, "started 0 times"),
        ([FAILED, SUCCEEDED], {"told": heard("2"), "notes": ("1 1", "2 2", "9 2")}, "not stored"),
        ([FAILED, SUCCEEDED], {}, "was not told of run 2"),
        ([FAILED, SUCCEEDED], {"told": heard("2", accepted=False)}, "was not told of run 2"),
        ([FAILED, SUCCEEDED], {"told": heard("2", "run.failed")}, "as {'run.failed'}"),
        ([FAILED, SUCCEEDED], {"told": heard("2", "run.succeeded", "n", "m")}, "several"),
        (
            [FAILED, SUCCEEDED],
            {"told": heard("2") | heard("1", "run.failed")},
            "told of run 1 as {'run.failed'}, and not as None",
        ),
        ([FAILED, STOPPED], {"notes": ("1 1",)}, "ended as ('stopped', None)"),
        ([FAILED, {**SUCCEEDED, "cause": None}], {"told": heard("2")}, "has the cause None"),
        ([{**FAILED, "exitcode": 7}], {"told": heard("1", "run.failed")}, "not as ('failed', 75)"),
    ],
    ids=[
        *("not-tried-again", "tried-again-twice", "started-twice", "not-started", "stranger"),
        *("not-told", "refused", "told-wrongly", "told-by-two", "told-too-early"),
        *("stopped", "cause", "exit-code"),
    ],
)
def test_what_must_not_be_is_found(
    runs: list[dict[str, Any]], given: dict[str, Any], text: str
) -> None:
    assert any(text in violation for violation in found(*runs, **given))
