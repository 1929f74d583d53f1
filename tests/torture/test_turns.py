"""What is judged of turns: it finds what must not be, and nothing else."""

from typing import Any

import pytest

from server.services.running.outcome import UNCONFIRMED
from tests.torture.turns import violations


def run(run_id: str, state: str = "succeeded", reason: str | None = None) -> dict[str, Any]:
    return {"id": run_id, "state": state, "reason": reason}


def found(beyond: str, *runs: dict[str, Any], **starts: int) -> list[str]:
    return list(violations(beyond, runs, starts, []))


def test_what_may_be_is_no_violation() -> None:
    unheard = run("c", "stopped", UNCONFIRMED)
    assert found("queue", unheard, run("b", "lost"), run("a"), a=1) == []
    assert found("replace", run("c"), run("b", "stopped"), run("a", "stopped"), a=1, c=1) == []


@pytest.mark.parametrize(
    ("beyond", "runs", "starts", "text"),
    [
        ("queue", [run("a")], {"a": 2}, "started 2 times"),
        ("queue", [run("a")], {}, "never started"),
        ("queue", [run("b"), run("a", "stopped")], {"b": 1}, "ended as stopped"),
        ("replace", [run("b", "stopped"), run("a")], {"a": 1}, "ended as stopped"),
        ("refuse", [run("a", "queued")], {}, "ended as queued"),
        ("queue", [run("a")], {"a": 1, "b": 1}, "not stored: ['b']"),
    ],
    ids=["twice", "never", "stopped", "newest-stopped", "active", "stranger"],
)
def test_what_must_not_be_is_found(
    beyond: str, runs: list[dict[str, Any]], starts: dict[str, int], text: str
) -> None:
    [violation] = violations(beyond, runs, starts, [])
    assert text in violation


def test_a_run_that_found_no_lock_free_is_found() -> None:
    assert list(violations("queue", [], {}, ["a"])) == ["run a went on beyond the limit"]
