"""What a viewer sees of a run, in order: the run, its output as it grows, its end."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from uuid import UUID

from server.errors import RunNotFollowedError
from server.models import Run
from server.output.cursor import Frame, Grown, Pace, StreamFormat, frames
from server.output.growth import NOTHING_TOLD, growth
from server.output.source import LiveOutput, Output
from server.output.start import Start
from server.services.hosts.hosts import Hosts, Watched
from server.services.running.live import RunView
from server.services.runs import RunService


@dataclass(frozen=True, slots=True)
class RunChanged:
    """The run as it is now: the first event, and again whenever its state has changed."""

    view: RunView


@dataclass(frozen=True, slots=True)
class Ended:
    """The run as it ended; the last event."""

    run: Run


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a viewer is to be sent: from where on, and written how.

    In JSON without `text` it is told how far the output is, in the place of the output; with
    `max_behind` nothing that is further behind the end (`frames`).
    """

    format: StreamFormat
    start: Start = Start()
    max_behind: int | None = None
    text: bool = True

    async def start_in(self, output: Output) -> int:
        """Return after which byte the first of what is sent comes."""
        return await self.start.offset_in(output) if self.text else NOTHING_TOLD

    def frames(
        self, output: Output, offset: int, pace: Pace, grown: Grown
    ) -> AsyncGenerator[Frame, None]:
        """Iterate over what is sent of the output from `offset` on, or after that was told."""
        if not self.text:
            return growth(output, offset, grown=grown)
        return frames(
            output, self.format, offset, pace=pace, grown=grown, max_behind=self.max_behind
        )


Event = RunChanged | Frame | Ended
"""What `watch` yields. Signs of life between events are made by the senders."""


class Watching:
    """Lets viewers follow runs."""

    def __init__(self, hosts: Hosts, runs: RunService) -> None:
        self._hosts = hosts
        self._runs = runs

    async def watch(
        self, run_id: UUID, wanted: Wanted, *, pace: Pace
    ) -> AsyncGenerator[Event, None]:
        """Iterate over a run's events, from before it starts up to its end.

        RunChanged comes in the format json alone, as the others carry nothing but output. While a
        frame is sent, nothing here refers to its bytes. A caller that stops early closes the
        iterator (`aclosing`), as it holds the output open.

        Raises:
            RunNotFoundError: there is no such run, or it was deleted meanwhile.
            RunNotFollowedError: it has not ended, and this server does not follow it.
            ArchiveDamagedError: its archive is damaged where it was to be read.
        """
        shows_changes = wanted.format is StreamFormat.JSON
        run, again = None, False
        offset: int | None = None
        while run is None:
            async with AsyncExitStack() as held:
                live = await held.enter_async_context(self._hosts.follow(run_id))
                if live is not None:
                    async for change in _told(live.until_started(), wanted):
                        yield change
                output = await held.enter_async_context(self._runs.output(run_id))
                # Changes count from here on: before the run is read, so that none is missed.
                grown = _Changes(live, output).grown if shows_changes else output.grown
                if shows_changes:
                    yield RunChanged(await self._runs.get(run_id))
                # At a further look it goes on where it was: some may have been archived before.
                offset = await wanted.start_in(output) if offset is None else offset
                complete = False
                while not complete:
                    cursor = wanted.frames(output, offset, pace, grown)
                    # A change ends the wait for output, and with it the cursor; the next goes on.
                    with suppress(_RunChangedError):
                        async with aclosing(cursor):
                            async for frame in cursor:
                                assert frame.next > offset
                                offset = frame.next
                                ready = [frame]
                                del frame  # only the viewer holds its bytes while it takes them
                                yield ready.pop()
                        complete = True
                    if live is not None and not complete:
                        yield RunChanged(live.view)
                run, again = await self._end_of(run_id, live, again=again), live is None
            if run is None:
                async for change in _told(self._hosts.until_claimed(run_id), wanted):
                    yield change
        yield Ended(run)

    async def _end_of(self, run_id: UUID, live: Watched | None, *, again: bool) -> Run | None:
        """Return a run with its end, once its output was read; None: it is to be looked at anew.

        It has no host yet, or has just got one, unless it was looked at `again` for that.
        """
        try:
            return await self._runs.wait_ended(run_id, live)
        except RunNotFollowedError:
            if live is not None:  # it was followed, and cannot be any more
                raise
            run = (await self._runs.get(run_id)).run
            if not run.unclaimed and (again or run.pool is None):
                raise
            return None


async def _told(views: AsyncIterator[RunView], wanted: Wanted) -> AsyncGenerator[RunChanged, None]:
    """Iterate over the changes of a run, if they are shown."""
    async for view in views:
        if wanted.format is StreamFormat.JSON:
            yield RunChanged(view)


class _RunChangedError(Exception):
    """The run has changed while its output was waited for."""


class _Changes:
    """Waits for output and for changes of its run together, without a task for each viewer.

    Changes count from when it is made. The one that ends the run is left to Ended.
    """

    def __init__(self, live: Watched | None, output: Output) -> None:
        self._live = live
        self._output = output
        # Once, not at each wait: to tell whether it is one takes a while.
        self._log = output if isinstance(output, LiveOutput) else None
        self._next = None if live is None else live.change

    async def grown(self, offset: int) -> None:
        """Return as the output's `grown` does.

        Raises:
            _RunChangedError: the run has changed meanwhile.
        """
        if self._live is None or self._log is None:
            await self._output.grown(offset)
            return
        while True:
            if self._live.change is not self._next and not self._live.run.state.final:
                self._next = self._live.change
                raise _RunChangedError
            if self._log.size > offset or self._log.ended:
                return
            await self._log.grown_or_woken(offset)
