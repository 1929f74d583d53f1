"""What a viewer sees of a run: changes among its output, in whatever order they come."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson
import pytest

from server.errors import RunNotFollowedError
from server.keeper.records import ExitRecord
from server.keeper.spool import Spool
from server.models import Run, RunEnd, RunState
from server.output.cursor import Frame, Pace, StreamFormat
from server.output.log import RunLog
from server.services.running.live import LiveRun, RunView
from server.services.watching import Ended, Event, RunChanged, Wanted, Watching
from tests.support.runs import a_run
from tests.support.waiting import patience

if TYPE_CHECKING:
    from server.services.runs import RunService

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Site:
    """One live run with its output, and what its keeper would do; stands for the services."""

    def __init__(self, root: Path) -> None:
        self.run = a_run()
        self.live = LiveRun(self.run)
        self._spool = Spool.of(root)
        self._spool.create(str(self.run.id), b"true")
        self.log = RunLog(self._spool.directory(str(self.run.id)))

    async def get(self, _: UUID) -> RunView:
        return self.live.view

    @asynccontextmanager
    async def output(self, _: UUID) -> AsyncIterator[RunLog]:
        yield self.log

    async def wait_ended(self, _: UUID, live: LiveRun) -> Run:
        return live.run

    def start(self) -> None:
        self.live.mark_started(self.log, NOW, stopping=False, paused=False)

    def write(self, data: bytes) -> None:
        with self._spool.output_path(str(self.run.id)).open("ab", buffering=0) as file:
            file.write(data)
        self.log.refresh()

    def end(self) -> None:
        self._spool.write_exit(str(self.run.id), ExitRecord(exitcode=0))
        self.live.mark_ended(RunEnd(RunState.SUCCEEDED, NOW, exitcode=0))
        self.log.refresh()


class Hosts:
    """The hosts that have runs, of which there is one."""

    def __init__(self, site: Site) -> None:
        self._live = site.live

    @asynccontextmanager
    async def follow(self, _: UUID) -> AsyncIterator[LiveRun | None]:
        yield self._live


class ClaimedMeanwhile(Hosts):
    """A run that nobody has at the first look, and that a host of these has at the next one."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.looks = 0

    @asynccontextmanager
    async def follow(self, _: UUID) -> AsyncIterator[LiveRun | None]:
        self.looks += 1
        yield None if self.looks == 1 else self._live

    async def until_claimed(self, _: UUID) -> AsyncIterator[RunView]:
        return
        yield


class ArchivedMeanwhile(Site):
    """Of its run some is archived by then: all that is stored is shown at the first look."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.run = self.live.run = replace(self.run, pool="build")
        self._stored = Site(root / "stored")
        self._stored.write(b"one\n")
        self._stored.end()

    @asynccontextmanager
    async def output(self, _: UUID) -> AsyncIterator[RunLog]:
        is_first = self.live.log is None
        if is_first:
            self.write(b"one\ntwo\n")
            self.start()
        yield self._stored.log if is_first else self.log

    async def wait_ended(self, _: UUID, live: LiveRun | None) -> Run:
        if live is None:
            raise RunNotFollowedError("it has not ended")
        return live.run

    def close(self) -> None:
        self.log.release()
        self._stored.log.release()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.log.release()


def watching(site: Site, stream_format: StreamFormat) -> AsyncGenerator[Event, None]:
    service = Watching(cast("Any", Hosts(site)), cast("RunService", site))
    return service.watch(site.run.id, Wanted(stream_format), pace=Pace())


async def next_told(events: AsyncIterator[Event]) -> object:
    """Return the next event: a run's state and whether it is paused, the output, or the end."""
    async with patience():
        event = await anext(events)
    if isinstance(event, RunChanged):
        return event.view.run.state, event.view.paused
    if isinstance(event, Frame):
        return orjson.loads(event.payload)["text"] if event.text else event.payload
    return type(event)


async def test_changes_come_while_output_is_waited_for_and_no_byte_is_lost_or_doubled(
    site: Site,
) -> None:
    async with aclosing(watching(site, StreamFormat.JSON)) as events:
        assert await next_told(events) == (RunState.QUEUED, False)
        site.start()
        assert await next_told(events) == (RunState.RUNNING, False)
        site.write("one é".encode()[:-1])  # half a character is held back, across the change
        assert await next_told(events) == "one "
        site.live.mark_signalled("SIGSTOP")
        assert await next_told(events) == (RunState.RUNNING, True)
        site.write("é\ntwo".encode()[1:])
        assert await next_told(events) == "é\ntwo"
        site.write(b" three")
        site.live.mark_signalled("SIGCONT")
        assert await next_told(events) == (RunState.RUNNING, False)
        assert await next_told(events) == " three"
        site.end()
        assert await next_told(events) is Ended


async def test_what_wakes_a_viewer_of_a_changed_run_is_one_event(site: Site) -> None:
    """Changes that come together are told once, as the run is now; the last one by the end."""
    site.start()
    async with aclosing(watching(site, StreamFormat.JSON)) as events:
        assert await next_told(events) == (RunState.RUNNING, False)
        site.live.mark_signalled("SIGSTOP")
        site.live.mark_signalled("SIGCONT")
        site.live.mark_signalled("SIGSTOP")
        assert await next_told(events) == (RunState.RUNNING, True)
        site.end()
        assert await next_told(events) is Ended


@pytest.mark.parametrize("stream_format", [StreamFormat.TEXT, StreamFormat.RAW])
async def test_what_has_no_place_for_changes_is_told_none(
    site: Site, stream_format: StreamFormat
) -> None:
    site.start()
    site.write(b"one\n")
    site.live.mark_signalled("SIGSTOP")
    async with aclosing(watching(site, stream_format)) as events:
        event = await anext(events)
        assert isinstance(event, Frame)
        site.live.mark_signalled("SIGCONT")
        site.write(b"two\n")
        event = await anext(events)
        assert isinstance(event, Frame)
        assert event.payload.strip() == b"two"
        site.end()
        assert await next_told(events) is Ended


@pytest.mark.parametrize("stream_format", [StreamFormat.TEXT, StreamFormat.RAW])
async def test_a_run_that_is_claimed_while_it_is_looked_up_is_told_no_byte_twice(
    tmp_path: Path, stream_format: StreamFormat
) -> None:
    with closing(ArchivedMeanwhile(tmp_path)) as site:
        service = Watching(cast("Any", ClaimedMeanwhile(site)), cast("RunService", site))
        told = b""
        watched = service.watch(site.run.id, Wanted(stream_format), pace=Pace())
        async with aclosing(watched) as events:
            while told.count(b"o") < 2:
                event = await anext(events)
                assert isinstance(event, Frame)
                told += event.payload
            site.end()
            assert await next_told(events) is Ended
        assert told.replace(b"\n", b"") == b"onetwo"


async def test_a_run_that_cannot_be_followed_any_more_is_refused_and_not_looked_at_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: UUID, live: LiveRun | None) -> Run:
        assert live is not None
        raise RunNotFollowedError("This server failed to follow the run.")

    site.live.run = replace(site.run, pool="build")
    monkeypatch.setattr(site, "wait_ended", fail)
    site.start()
    site.end()
    async with aclosing(watching(site, StreamFormat.RAW)) as events:
        with pytest.raises(RunNotFollowedError):
            assert [event async for event in events] == []
