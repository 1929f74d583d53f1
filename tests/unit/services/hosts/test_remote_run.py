"""A run of another host, kept as its host says that it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from server.errors import NoAnswerError, RunNotFollowedError, RunNotFoundError
from server.models import Run, RunEnd, RunState
from server.services.hosts import remote_run as module
from server.services.hosts.remote_output import BLOCK_BYTES, RemoteOutput
from server.services.hosts.remote_run import RemoteRun, spacing_of
from server.services.tasks import cancel_and_wait
from server.wire.messages import Piece, Read, Seen, SeenAt
from tests.support.runs import a_run
from tests.support.waiting import until

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Host:
    """The host of one run, which answers at once with what it is told to."""

    def __init__(self, state: RunState = RunState.RUNNING) -> None:
        self.row = replace(a_run(state), host="there")
        self.asked: list[tuple[Read, float]] = []
        self.error: Exception | None = None
        self.stored_error: Exception | None = None
        self.seen = Seen(state=state, start_time=NOW, change=1, has_output=True)
        self.data = b""
        self.output = RemoteOutput(self.row.id, cast("Any", None), cast("Any", None), 0)
        self.run = RemoteRun(self.row, self.output, self.ask, self.stored)

    async def ask(self, asked: Read, wait_seconds: float) -> Piece:
        self.asked.append((asked, wait_seconds))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        data = self.data[asked.offset : asked.offset + asked.limit]
        seen = replace(self.seen, size=len(self.data))
        return Piece(seen=seen, data=data, marks=(SeenAt(asked.offset, 1.0),))

    async def stored(self) -> Run:
        if self.stored_error is not None:
            raise self.stored_error
        return self.row

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[RemoteRun]:
        """Follow it meanwhile, as those do who own the task."""
        task = asyncio.create_task(self.run.follow())

        def done(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self.run.fail(error)

        task.add_done_callback(done)
        try:
            yield self.run
        finally:
            await cancel_and_wait(task)


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)


async def test_the_first_question_waits_for_nothing_and_others_for_news() -> None:
    host = Host()
    async with host.followed() as run:
        await run.until_heard()
        await until(lambda: len(host.asked) >= 2)
    (first, first_wait), (second, second_wait), *_ = host.asked
    assert (first.change, first.wait_seconds, first_wait) == (None, 0.0, 0.0)
    assert (second.change, second.wait_seconds, second_wait) == (1, 10.0, 10.0)


async def test_one_that_writes_all_the_time_is_asked_with_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SPACING_SECONDS", 1000)
    host = Host()
    async with host.followed():
        for _ in range(100):
            await asyncio.sleep(0)
    assert len(host.asked) == 1


async def test_output_comes_with_an_answer_to_those_alone_who_have_read_all_before_it() -> None:
    host = Host()
    async with host.followed():
        await until(lambda: len(host.asked) >= 2)
        waiting = asyncio.create_task(host.output.grown(0))
        await until(lambda: host.output.wanted)
        host.data = b"a line\n"
        await waiting
        assert await host.output.read(0, 100) == b"a line\n", "nobody is asked for it again"
    assert {asked.limit for asked, _ in host.asked[:2]} == {0}
    assert {asked.limit for asked, _ in host.asked} == {0, BLOCK_BYTES}


async def test_one_that_writes_while_nobody_has_read_all_of_it_is_left_alone_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "UNWANTED_SECONDS", 1000)
    host = Host()
    host.data = bytes(100)
    async with host.followed():
        await until(lambda: host.output.size == 100)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(host.asked) == 1
        waiting = asyncio.create_task(host.output.grown(100))
        host.data = bytes(200)
        await waiting
    assert host.output.size == 200


def test_all_that_are_followed_are_asked_a_thousand_times_a_second_together() -> None:
    assert [spacing_of(count) for count in (0, 1, 50, 100, 1000)] == [0.001, 0.001, 0.05, 0.1, 0.1]


async def test_one_that_its_host_is_about_to_have_is_not_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 1000)
    host = Host(RunState.QUEUED)
    host.error = RunNotFollowedError("The run is not active on this worker.")
    async with host.followed() as run:
        await until(lambda: len(host.asked) >= 4)
        assert run.view.run.reason is None
        host.error = None
        await until(lambda: run.log is not None)


async def test_what_was_written_beyond_a_piece_is_told_and_not_carried_over() -> None:
    host = Host()
    host.data = bytes(10_000_000)
    async with host.followed() as run:
        await until(lambda: host.output.size == 10_000_000)
        await until(lambda: len(host.asked) >= 2)
    assert [asked.offset for asked, _ in host.asked[:2]] == [0, 10_000_000]
    assert run.view.output_bytes == 10_000_000


async def test_an_absence_is_told_once_and_what_is_said_after_it_counts() -> None:
    host = Host()
    host.error = NoAnswerError("nobody is there.")
    async with host.followed() as run:
        await until(lambda: run.view.run.reason is not None)
        away, change = run.view.run.reason, run.change
        await until(lambda: len(host.asked) >= 4)
        assert run.change is change, "nothing has changed"
        assert str(away).startswith("its host is away since ")
        host.error = None
        await change.wait()
        assert run.view.run.reason is None


async def test_an_end_that_its_host_says_is_the_end() -> None:
    host = Host()
    end = RunEnd(RunState.FAILED, NOW, exitcode=5)
    host.seen = replace(host.seen, state=RunState.FAILED, ended=True, end=end)
    host.row = replace(host.row, state=RunState.FAILED, exitcode=5)
    async with host.followed() as run:
        assert await run.wait_ended() == host.row
    assert len(host.asked) == 1


async def test_an_end_is_shown_with_all_of_the_output() -> None:
    """What was stored as following began counts no more, whoever looks."""
    host = Host()
    host.data = b"one\ntwo\n"
    end = RunEnd(RunState.FAILED, NOW, exitcode=5)
    host.seen = replace(host.seen, state=RunState.FAILED, ended=True, end=end, lines=2)
    async with host.followed() as run:
        await until(lambda: run.run.state.final)
        ended = run.view.run
    assert (ended.state, ended.output_bytes, ended.output_lines) == (RunState.FAILED, 8, 2)


async def test_one_that_is_given_up_ends_with_what_is_stored_of_it() -> None:
    """However much its host has told of: nobody can read that."""
    host = Host()
    host.data = bytes(100)
    async with host.followed() as run:
        await until(lambda: host.output.size == 100)
        host.error = NoAnswerError("nobody is there.")
        host.row = replace(host.row, state=RunState.LOST, end_time=NOW, output_bytes=60)
        assert await run.wait_ended() == host.row
        assert (host.output.size, host.output.ended) == (60, True)
        assert await host.output.read(60, 100) == b""


async def test_one_that_was_deleted_is_an_error_for_whoever_waits() -> None:
    host = Host(RunState.QUEUED)
    host.error = NoAnswerError("nobody is there.")
    host.stored_error = RunNotFoundError("It was deleted.")
    async with host.followed() as run:
        with pytest.raises(RunNotFoundError):
            async for _ in run.until_started():
                pass
        with pytest.raises(RunNotFoundError):
            await run.wait_ended()


async def test_what_a_host_says_of_a_run_is_one_line() -> None:
    host = Host()
    end = RunEnd(RunState.FAILED, NOW, exitcode=1, reason="it\x1bfailed")
    seen = replace(host.seen, state=RunState.RUNNING, reason="it is\nlate")
    assert module.as_seen(host.row, seen).reason == "it is late"
    ended = replace(seen, state=RunState.FAILED, end=end)
    assert module.as_seen(host.row, ended).reason == "it failed"


async def test_an_end_that_its_host_has_not_stored_is_none() -> None:
    """The host may go away before it can store it, and the run may be given up."""
    host = Host()
    host.data = b"one\ntwo\n"
    end = RunEnd(RunState.SUCCEEDED, NOW, exitcode=0)
    host.seen = replace(host.seen, ended=True, end=end, lines=2)
    async with host.followed() as run:
        await until(lambda: len(host.asked) >= 3)
        assert run.view.run.state is RunState.RUNNING
        ending = asyncio.create_task(run.wait_ended())
        host.error = NoAnswerError("nobody is there.")
        await until(lambda: run.view.run.reason is not None)
        assert not ending.done()
        host.row = replace(host.row, state=RunState.LOST, end_time=NOW, output_bytes=4)
        assert await ending == host.row
        assert (host.output.size, host.output.ended) == (4, True)


async def test_a_host_whose_run_has_just_ended_is_believed_once_it_says_how() -> None:
    host = Host()
    host.seen = replace(host.seen, state=RunState.FAILED, ended=True)
    async with host.followed() as run:
        await until(lambda: len(host.asked) >= 3)
        assert run.view.run.state is RunState.RUNNING


async def test_a_host_that_cannot_store_an_end_is_asked_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 1000)
    host = Host()
    host.seen = replace(host.seen, ended=True, end=RunEnd(RunState.SUCCEEDED, NOW, exitcode=0))
    async with host.followed() as run:
        await run.until_heard()
        for _ in range(100):
            await asyncio.sleep(0.0001)
    assert len(host.asked) == 1
