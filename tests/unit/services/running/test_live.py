"""A live run's end, as its viewers are told it."""

import errno
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from server.models import Run, RunEnd, RunState
from server.services.running import live as module
from server.services.running.live import LiveRun
from tests.support.runs import a_run
from tests.support.waiting import patience

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Log:
    size = 5

    def wake(self) -> None:
        pass

    async def lines_before(self, _: int) -> int:
        return 2


async def test_an_end_that_cannot_be_read_now_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "END_STORED_SECONDS", 0)
    live = LiveRun(a_run(RunState.RUNNING))
    live.mark_started(cast("Any", Log()), NOW, stopping=False, paused=False)
    failures = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.EIO, "I/O error")]

    def end_of(_: Run) -> RunEnd:
        if failures:
            raise failures.pop()
        return RunEnd(RunState.FAILED, NOW, exitcode=3)

    async with patience():
        ended = await live.wait_ended(end_of)
    assert (ended.state, ended.exitcode) == (RunState.FAILED, 3)
    assert (ended.output_bytes, ended.output_lines) == (5, 2)


async def test_an_end_that_was_told_before_it_is_stored_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = LiveRun(a_run(RunState.RUNNING))
    live.mark_started(cast("Any", Log()), NOW, stopping=False, paused=False)
    end = RunEnd(RunState.FAILED, NOW, exitcode=3)
    monkeypatch.setattr(module, "END_STORED_SECONDS", 0)
    first = await live.wait_ended(lambda _: end)
    monkeypatch.setattr(module, "END_STORED_SECONDS", 1e6)
    async with patience():
        assert await live.wait_ended(lambda _: end) == first
