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

from tests.torture.hosts.oracle import (
    BY_KEEPER,
    BY_SERVER,
    LOSE,
    RETRY,
    WAIT,
    Attempt,
    Kept,
    Together,
    back_at,
    calm_seconds,
    given_up_wrongly,
    kept_wrongly,
    must_be_told_at,
    read_attempt,
    repeated,
    spans_of,
    together,
    was_given_up,
)
from tests.torture.hosts.plans import lasting
from tests.torture.oracle import Interval
from tests.torture.plans import Plan

GIVEN_UP_AT, BACK_AT = 60.0, 80.0
DRAWN = Plan.draw("run 1", random.Random(1))
LEASE = 30.0


def attempt(run_id: str, *spans: tuple[float, float]) -> Attempt:
    return Attempt(run_id, "worker1", [spans[0][0]], spans, ended=True)


@pytest.fixture
def notes(tmp_path: Path) -> str:
    """Return what a script noted that was started twice, as where two hosts had it."""
    plan = replace(
        lasting(DRAWN, LOSE, random.Random(1)),
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
    script.write_text(plan.script)
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
    assert noted.starts[0] <= noted.starts[1] <= noted.lived_until
    assert noted.lines == 6
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


WHOLE = b"1 a\n2 b\n3 c\n4 d\n"
KEPT = Kept(
    given_up=LOST,
    run=LOST | {"output_bytes": 12},
    output=WHOLE[:12],
    shown=8,
    lines=3,
    given_up_at=GIVEN_UP_AT,
    lived_until=BACK_AT + 2,
)
GONE = Interval(0, BACK_AT)


@pytest.mark.parametrize(
    ("kept", "unheld", "text"),
    [
        (KEPT, [], None),
        (replace(KEPT, run=LOST | {"state": "succeeded"}), [], "and is {'state': 'succeeded'"),
        (replace(KEPT, run=LOST | {"end_time": "later"}), [], "'end_time': 'later'"),
        (replace(KEPT, output=b"1 a\n2 b\n2 b\n"), [], "bytes of it are wrong"),
        (replace(KEPT, shown=13), [], "13 bytes were shown, 12 are kept"),
        (replace(KEPT, lines=4), [], "wrote 4 lines, 3 are kept"),
        (replace(KEPT, lines=4), [Interval(1, 2)], None),
        (replace(KEPT, lived_until=BACK_AT + 11), [], "went on for 11.0 s"),
        (replace(KEPT, lived_until=GIVEN_UP_AT - 20), [], None),
    ],
)
def test_of_what_was_given_up_all_is_kept_and_it_is_ended_once_its_host_is_back(
    kept: Kept, unheld: list[Interval], text: str | None
) -> None:
    found = [*kept_wrongly(WHOLE, kept, unheld, [GONE])]
    assert (found == []) if text is None else (len(found) == 1 and text in found[0])


def test_a_host_is_back_once_that_is_over_which_had_it_away() -> None:
    assert back_at(GIVEN_UP_AT, [Interval(1, 2), GONE, Interval(90, 95)]) == BACK_AT
    assert back_at(GIVEN_UP_AT, [Interval(90, 95)]) == GIVEN_UP_AT
