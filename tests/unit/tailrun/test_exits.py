"""Exit codes of `tailrun run`, by how the run ended."""

import os
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from tailrun import errors
from tailrun.cli.exits import code_of, code_of_error
from tailrun.values import Run


def ended(state: str, **how: Any) -> Run:
    now = datetime.now(UTC)
    fields: dict[str, Any] = {"exitcode": None, "signal": None, "reason": None} | how
    return Run(
        id="1",
        command_id="2",
        state=state,
        stopping=False,
        paused=False,
        created_at=now,
        start_time=now,
        end_time=now,
        output_bytes=0,
        data={},
        **fields,
    )


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (ended("succeeded", exitcode=0), 0),
        (ended("failed", exitcode=7), 7),
        (ended("failed", exitcode=137), 137),
        (ended("failed", signal="SIGKILL"), 137),
        (ended("failed", signal="SIGRTMIN+3"), 128 + signal.SIGRTMIN + 3),
        (ended("failed", signal="SIGFUTURE"), 128),
        (ended("failed", reason="There is no interpreter."), 126),
        (ended("stopped", signal="SIGTERM"), 143),
        (ended("stopped", signal="SIGKILL"), 137),
        (ended("stopped", exitcode=0), 143),
        (ended("stopped", exitcode=3), 3),
        (ended("stopped"), 143),
        (ended("timed_out", signal="SIGTERM"), 124),
        (ended("timed_out", exitcode=0), 124),
        (ended("lost"), 125),
    ],
    ids=lambda value: (
        f"{value.state}-{value.exitcode}-{value.signal}" if isinstance(value, Run) else str(value)
    ),
)
def test_a_run_hands_its_code_on_and_a_stopped_one_never_succeeds(run: Run, code: int) -> None:
    assert code_of(run) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFoundError("", status=404, kind="run-not-found"), os.EX_NOINPUT),
        (errors.NotSignedInError("", status=401, kind="not-signed-in"), os.EX_NOPERM),
        (errors.NotPermittedError("", status=403, kind="not-permitted"), os.EX_NOPERM),
        (errors.InvalidError("", status=422, kind="invalid-input"), os.EX_DATAERR),
        (errors.GivenError(""), os.EX_DATAERR),
        (errors.FilesError([""]), os.EX_DATAERR),
        (errors.AmbiguousError(""), os.EX_NOINPUT),
        (errors.AwayError(""), os.EX_UNAVAILABLE),
        (errors.ConflictError("", status=409, kind="conflict"), os.EX_TEMPFAIL),
        (errors.RefusedError("", status=500, kind="server-failed"), os.EX_SOFTWARE),
    ],
)
def test_an_error_has_the_code_of_its_kind(error: errors.ClientError, code: int) -> None:
    assert code_of_error(error) == code
