"""The oracle finds what must not be, and nothing else: one that never does proves nothing."""

import random
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.torture.oracle import History, Interval, Observed, violations
from tests.torture.plans import AWK, SHELL, Plan

PLAN = replace(
    Plan.draw("a run", random.Random(1)),
    template=SHELL,
    lines=50,
    burst=20,
    pause=0.0,
    unfinished=True,
    background=False,
    exitcode=7,
    signal=None,
    habit=None,
)
START, END = 100.0, 110.0
STARTING = "its exit status could not be learned: the keeper ended while it was starting the run"


def observed(*, output: bytes = PLAN.output, **fields: Any) -> Observed:
    """Return what a run leaves whose end is the true one, but for these fields."""
    run = {"state": "failed", "exitcode": 7, "signal": None, "reason": None}
    run |= {"output_bytes": len(output), "output_lines": output.count(b"\n")}
    notes = {name: fields.pop(name) for name in list(fields) if name not in run}
    truth = Observed(
        run=run | fields,
        output=output,
        starts=1,
        created_at=START,
        started_at=START,
        wrote_all_at=END,
        seen_at=END + 1,
        stop_asked=False,
    )
    return replace(truth, **notes)


def lost(**fields: Any) -> Observed:
    return observed(state="lost", exitcode=None, **fields)


def found(run: Observed, *deaths: float, unheld: Interval | None = None) -> list[str]:
    return list(violations(PLAN, run, History(list(deaths), [unheld] if unheld else [])))


@pytest.mark.parametrize("template", [SHELL, AWK])
@pytest.mark.parametrize(("exitcode", "signal"), [(7, None), (None, "KILL")])
def test_a_script_does_what_its_plan_tells(
    tmp_path: Path, template: str, exitcode: int | None, signal: str | None
) -> None:
    plan = replace(PLAN, template=template, exitcode=exitcode, signal=signal)
    for name in ("starts", "ends"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", plan.script],
        cwd=tmp_path,
        env={"PATH": "/bin:/usr/bin", "TAILRUN_RUN_ID": "x"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.stdout == plan.output
    assert done.returncode == (7 if signal is None else -9)
    assert len((tmp_path / "starts" / "x").read_text().splitlines()) == 1
    assert (tmp_path / "ends" / "x").exists()


@pytest.mark.parametrize(
    "run",
    [
        observed(),
        observed(output=PLAN.output[:90], state="stopped", exitcode=None, stop_asked=True),
        observed(output=b"", starts=0, state="stopped", exitcode=None, stop_asked=True),
    ],
)
def test_what_may_be_is_no_violation(run: Observed) -> None:
    assert found(run) == []


def test_a_run_is_lost_with_its_keeper() -> None:
    assert found(lost(), 105) == []
    assert found(lost(output=PLAN.output[:90]), 109, unheld=Interval(109, 111)) == []
    assert found(lost(output=b"", starts=0, reason=STARTING), START) == []


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (observed(output=PLAN.output[:-1]), "bytes are there"),
        (observed(output=PLAN.output + b"x"), "is wrong"),
        (observed(output=PLAN.output[:60] + PLAN.output[20:]), "is wrong"),
        (observed(output=b"x" + PLAN.output[1:]), "byte 0 of"),
        (observed(output_bytes=1), "bytes and lines are there"),
        (observed(output_lines=1), "bytes and lines are there"),
        (observed(starts=2), "started 2 times"),
        (observed(starts=0), "started 0 times"),
        (observed(exitcode=0), "it ended as"),
        (observed(state="succeeded"), "it ended as"),
        (observed(exitcode=None, signal="SIGKILL"), "it ended as"),
        (observed(wrote_all_at=None), "did not come to its end"),
        (observed(state="stopped"), "nobody asked"),
        (observed(state="timed_out"), "it ended as"),
        (lost(), "no keeper was killed"),
    ],
)
def test_what_must_not_be_is_found(run: Observed, text: str) -> None:
    assert any(text in violation for violation in found(run))


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (observed(), "nobody can know"),
        (lost(output=PLAN.output[:90]), "bytes are there"),
        (lost(starts=2), "started 2 times"),
        (observed(state="lost"), "yet it tells"),
    ],
)
def test_a_killed_keeper_excuses_no_more_than_it_must(run: Observed, text: str) -> None:
    assert any(text in violation for violation in found(run, 105, unheld=Interval(105, 106)))
