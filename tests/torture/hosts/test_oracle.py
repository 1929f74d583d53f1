"""The oracle of many hosts finds what must not be, and nothing else."""

import os
import random
import signal
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.torture.hosts.load import PooledPlan
from tests.torture.hosts.oracle import (
    BY_KEEPER,
    BY_SERVER,
    LOSE,
    RETRY,
    WAIT,
    Attempt,
    Together,
    calm_seconds,
    given_up_wrongly,
    must_be_told_at,
    read_attempt,
    repeated,
    spans_of,
    together,
    was_given_up,
)
from tests.torture.oracle import Interval
from tests.torture.plans import Plan

DRAWN = Plan.draw("run 1", random.Random(1))
LEASE = 30.0


def attempt(run_id: str, *spans: tuple[float, float]) -> Attempt:
    return Attempt(run_id, "worker1", [spans[0][0]], spans, ended=True)


@pytest.fixture
def notes(tmp_path: Path) -> str:
    """Return what a script noted that was started twice, as where two hosts had it."""
    plan = replace(
        DRAWN,
        lines=3,
        pause=0.0,
        habit=None,
        background=False,
        signal=None,
        exitcode=7,
        unfinished=False,
    )
    for name in ("starts", "ends", "notes", "worker2/work/x"):
        (tmp_path / name).mkdir(parents=True)
    script = tmp_path / "worker2" / "work" / "x" / "script"
    script.write_text(PooledPlan(**vars(plan), pool="all").script)
    for _ in range(2):
        with subprocess.Popen(
            ["/bin/sh", script],
            cwd=tmp_path,
            env={"PATH": "/bin:/usr/bin", "TAILRUN_RUN_ID": "x"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            assert process.communicate()[0] == plan.output
            assert process.returncode == 7
            os.killpg(process.pid, signal.SIGKILL)  # as the keeper does
    return (tmp_path / "notes" / "x").read_text()


def test_what_scripts_note_is_read(notes: str) -> None:
    noted = read_attempt("x", notes + "alive 'run-1' /cut")
    assert noted is not None
    assert (noted.run_id, noted.host, len(noted.starts), noted.ended) == ("x", "worker2", 2, True)
    assert noted.starts[0] <= noted.starts[1] <= noted.spans[-1][1]
    assert read_attempt("x", "") is None


def test_a_script_that_was_started_twice_is_found(notes: str) -> None:
    noted = read_attempt("x", notes)
    assert noted is not None
    assert [*repeated([noted], retries=True)] == ["run x was started 2 times, on worker2"]


def test_a_second_run_of_a_command_is_found_unless_it_is_retried() -> None:
    two = [attempt("a", (1, 2)), attempt("b", (3, 4))]
    assert [*repeated(two, retries=False)] == ["it was started as a on worker1, b on worker1"]
    assert [*repeated(two, retries=True)] == []
    assert [*repeated(two[:1], retries=False)] == []


def test_a_script_that_notes_nothing_for_long_slept() -> None:
    assert spans_of([1, 1.2, 5, 30, 30.2, 40]) == [(1, 5), (30, 30.2), (40, 40)]


@pytest.mark.parametrize(
    ("attempts", "running", "waking"),
    [
        ([attempt("a", (1, 2)), attempt("b", (3, 4))], 0, 0),
        ([attempt("a", (1, 3.5)), attempt("b", (3, 4))], 0.5, 0),
        ([attempt("b", (3, 4)), attempt("a", (1, 3.5))], 0.5, 0),
        ([attempt("a", (1, 9)), attempt("b", (3, 4)), attempt("c", (5, 8))], 4, 0),
        ([attempt("a", (1, 2), (20, 20.25)), attempt("b", (10, 30))], 0, 0.25),
        ([attempt("a", (1, 2), (40, 40.25)), attempt("b", (10, 30))], 0, 0),
    ],
)
def test_the_seconds_that_attempts_ran_together_are_counted(
    attempts: list[Attempt], running: float, waking: float
) -> None:
    """Those apart that one went on for as it woke."""
    assert together(attempts) == Together(running, waking)


@pytest.mark.parametrize(
    ("broken", "told_at"),
    [
        ([], 133),
        ([Interval(90, 97)], 133),
        ([Interval(95, 110)], 143),
        ([Interval(101, 110), Interval(90, 99)], 143),
        ([Interval(103, 110)], 133),
        ([Interval(95, 110), Interval(111, 120)], 153),
        ([Interval(101, float("inf"))], float("inf")),
    ],
)
def test_a_host_is_to_be_told_as_away_once_its_lease_is_over(
    broken: list[Interval], told_at: float
) -> None:
    """What is broken as it goes away may hold what it said last."""
    assert must_be_told_at(100, broken, LEASE) == told_at


@pytest.mark.parametrize(
    ("troubles", "seconds"),
    [
        ([], 60),
        ([Interval(100, 160)], 0),
        ([Interval(105, 130), Interval(125, 150)], 10),
        ([Interval(130, 150), Interval(105, 110)], 20),
        ([Interval(90, 200), Interval(110, 111)], 0),
    ],
)
def test_the_longest_time_that_nothing_was_broken_is_found(
    troubles: list[Interval], seconds: float
) -> None:
    assert calm_seconds(troubles, 100, 160) == seconds


ENDED_AT = datetime(2026, 1, 2, tzinfo=UTC)
LOST = {
    "state": "lost",
    "exitcode": None,
    "signal": None,
    "reason": f"its host was away {BY_SERVER}lose)",
    "end_time": ENDED_AT.isoformat(),
}
BY_LEASE = LOST | {"reason": BY_KEEPER, "signal": "SIGTERM"}
AWAY = Interval(ENDED_AT.timestamp() - 70, ENDED_AT.timestamp() + 20)


@pytest.mark.parametrize(
    ("run", "policy", "away", "text"),
    [
        (LOST, LOSE, AWAY, None),
        (LOST, RETRY, AWAY, None),
        (LOST, WAIT, AWAY, "was to wait"),
        (LOST | {"state": "failed"}, LOSE, AWAY, "is not lost"),
        (LOST | {"exitcode": 0}, LOSE, AWAY, "is not lost"),
        (BY_LEASE, RETRY, AWAY, None),
        (BY_LEASE, LOSE, AWAY, "nobody was to begin it again"),
        (BY_LEASE, RETRY, Interval(0, ENDED_AT.timestamp() - LEASE - 1), "for a whole lease"),
        (LOST, LOSE, Interval(AWAY.start, ENDED_AT.timestamp() - 16), "was well for 16.0 s"),
        (LOST, LOSE, Interval(ENDED_AT.timestamp() - 29, AWAY.end), "was well for 16.0 s"),
    ],
)
def test_a_run_is_given_up_as_its_policy_says_and_its_host_was_away(
    run: dict[str, Any], policy: str, away: Interval, text: str | None
) -> None:
    found = [*given_up_wrongly(run, policy, [away], LEASE)]
    assert was_given_up(run)
    assert not was_given_up(run | {"reason": None})
    assert found == [] if text is None else any(text in one for one in found)
