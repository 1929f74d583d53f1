"""Which ends are followed by another attempt, as a command's `retries` have it."""

from typing import Any

import pytest

from tailrun.cli.attempts import Attempt, is_tried_again
from tailrun.values import Run
from tests.unit.tailrun.test_exits import ended

ALL = {"limit": 2, "on": ["failed", "lost", "timed_out"], "exit_codes": []}


def attempt(number: int, state: str, **how: Any) -> Run:
    run = ended(state, **how)
    return Run(
        **{name: getattr(run, name) for name in run.__slots__} | {"data": {"attempt": number}}
    )


@pytest.mark.parametrize(
    ("run", "retries", "again"),
    [
        (attempt(1, "failed", exitcode=3), ALL, True),
        (attempt(2, "lost"), ALL, True),
        (attempt(3, "failed", exitcode=3), ALL, False),
        (attempt(1, "stopped", signal="SIGTERM"), ALL, False),
        (attempt(1, "timed_out"), ALL | {"on": ["failed"]}, False),
        (attempt(1, "failed", exitcode=3), ALL | {"exit_codes": [75]}, False),
        (attempt(1, "failed", exitcode=75), ALL | {"exit_codes": [75]}, True),
        (attempt(1, "timed_out"), ALL | {"exit_codes": [75]}, True),
        (ended("failed", exitcode=3), ALL, True),
    ],
)
def test_it_is_tried_again_as_the_server_has_it(
    run: Run, retries: dict[str, Any], *, again: bool
) -> None:
    assert is_tried_again(run, retries) is again


def test_an_attempt_is_told_by_its_run_or_where_there_is_none_yet_by_its_command() -> None:
    run = attempt(2, "failed")
    assert Attempt(2, 3, run, "7").told == "Attempt 2 of 3 follows: `tailrun tail 1`."
    assert Attempt(2, 3, None, "7").told == "Attempt 2 of 3 follows: `tailrun tail 7`."
