"""A run that another host has, as it is followed here."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from server.errors import DatabaseUnavailableError, RunNotFollowedError, TailrunError
from server.models import Run, RunState
from server.services.hosts.remote_output import AWAY, BLOCK_BYTES, Block, RemoteOutput
from server.services.running.live import RunView, ended_run
from server.wire.messages import Piece, Read, Seen
from server.wire.texts import line

WAIT_SECONDS = 10.0
"""So long its host may wait for something new before it answers."""

UNWANTED_SECONDS = 0.05
"""Between two questions about one that writes all the time, while nobody has read all of it: its
viewers ask for what they read by themselves, and hear with it how far it has come."""

SPACING_SECONDS = 0.001
MAX_SPACING_SECONDS = 0.1
"""Between two questions, at least: SPACING_SECONDS for each run that is followed, so that all who
write all the time are asked a thousand times a second together. One that writes a line now and
then is asked at once after it."""

FIRST_LOOK_SECONDS, LOOK_SECONDS = 0.002, 0.5
"""While its host is away, or does not have it: between two looks at what is stored. The first ones
follow each other closely, as one that has just claimed the run is about to have it."""

ANSWER_SECONDS = 3.0
"""So long whoever begins to watch waits for what its host says."""

REASON_CHARACTERS = 10_000
"""Of what a host says of a run, at most."""

FAILED = "This server failed to follow the run on its host; its log says why."

Ask = Callable[[Read, float], Awaitable[Piece]]
"""Asks the run's host once, which may wait so many seconds; raises one of AWAY."""

Spacing = Callable[[], float]
"""Returns how long to wait between two questions, in seconds."""

Stored = Callable[[], Awaitable[Run]]
"""Returns the run as it is stored now; it raises as the repository does."""


logger = logging.getLogger(__name__)


class RemoteRun:
    """A run of another host: one long question after the other keeps it as it is there.

    However many watch it, its host is asked once at a time. While it is away, or has it no more,
    what is stored counts: it may have ended meanwhile, or have been given up.
    """

    def __init__(
        self,
        run: Run,
        output: RemoteOutput,
        ask: Ask,
        stored: Stored,
        spacing: Spacing = lambda: SPACING_SECONDS,
    ) -> None:
        self.users = 0
        self.run = run
        # What is stored as running has output, whether its host is there or not.
        self.log = output if run.state is RunState.RUNNING else None
        self._output = output
        self._ask = ask
        self._stored = stored
        self._spacing = spacing
        self._stopping = self._paused = False
        self._away: str | None = None
        self._failure: Exception | None = None
        self._seen: int | None = None
        self._heard = asyncio.Event()
        self._change = asyncio.Event()

    @property
    def view(self) -> RunView:
        """The run as users see it now."""
        waits_for = self._away is not None and not self.run.state.final
        run = replace(self.run, reason=self._away) if waits_for else self.run
        return RunView(run, self._stopping, self._paused, self._output.size)

    @property
    def change(self) -> asyncio.Event:
        """The event of the run's next change; take it before reading the run, to miss none."""
        return self._change

    async def until_started(self) -> AsyncIterator[RunView]:
        """Wait until there is output to be followed, or the run has ended without any."""
        while self.log is None and not self.run.state.final:
            change = self._change
            yield self.view
            await change.wait()
            self._check()

    async def until_heard(self) -> None:
        """Wait a moment for what its host says; without, there is what is stored."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._heard.wait()

    async def wait_ended(self) -> Run:
        """Return the run with its end, once its output has ended.

        Raises:
            RunNotFoundError: it was deleted meanwhile.
        """
        while not self.run.state.final:
            self._check()
            await self._change.wait()
        with suppress(DatabaseUnavailableError):
            stored = await self._stored()
            if stored.state.final:
                return stored
        size = self._output.size
        lines = await self._output.lines_before(size)
        return replace(self.run, output_bytes=size, output_lines=lines)

    async def follow(self) -> None:
        """Keep the run as it is on its host, until it has ended; the owner cancels it."""
        clock = asyncio.get_running_loop().time
        pause = FIRST_LOOK_SECONDS
        while not (self.run.state.final and self._output.ended):
            asked_at, size, unstored = clock(), self._output.size, False
            try:
                seen = self._take(await self._piece())
                unstored = seen.end is not None and not seen.state.final
                pause = FIRST_LOOK_SECONDS
            except AWAY as error:
                is_there = isinstance(error, RunNotFollowedError)
                await self._look(None if is_there and pause < LOOK_SECONDS else error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LOOK_SECONDS)
            self._heard.set()
            await asyncio.sleep(
                LOOK_SECONDS if unstored else max(0.0, asked_at + self._spacing() - clock())
            )
            if self._output.size > size:
                await self._output.until_wanted(asked_at + UNWANTED_SECONDS - clock())

    def fail(self, error: BaseException) -> None:
        """Have those who watch get an error: it is followed no more."""
        logger.warning("run is followed no more: %s", error, extra={"run": self.run.id})
        failure = error if isinstance(error, TailrunError) else RunNotFollowedError(FAILED)
        self._failure = failure
        self._output.fail(failure)
        self._notify()

    def close(self) -> None:
        """Ask for nothing more: nobody watches."""
        self._output.close()

    async def _piece(self) -> Piece:
        output = self._output
        wait_seconds = 0.0 if self._seen is None else WAIT_SECONDS
        asked = Read(
            run_id=self.run.id,
            offset=output.size,
            # Without bytes where those who read have others to read before.
            limit=BLOCK_BYTES if self._output.wanted else 0,
            wait_seconds=wait_seconds,
            change=self._seen,
        )
        piece = await self._ask(asked, wait_seconds)
        if piece.data:
            output.keep(Block(asked.offset, piece.data, piece.marks))
        return piece

    def _take(self, piece: Piece) -> Seen:
        """Note what the host says; what it wrote beyond the piece is read as viewers want it."""
        seen = piece.seen
        changed = seen.change != self._seen or self._away is not None or seen.end is not None
        self._away, self._seen = None, seen.change
        if changed:
            self._note(seen)
        self._output.move(seen.size, ended=seen.ended)
        if changed:
            self._notify()
        return seen

    def _note(self, seen: Seen) -> None:
        self.run = as_seen(self.run, seen)
        self._stopping, self._paused = seen.stopping, seen.paused
        if seen.has_output:
            self.log = self._output

    async def _look(self, error: Exception | None) -> None:
        """Note what is stored of a run of which its host says nothing; `error`: why it is away."""
        try:
            stored = await self._stored()
        except DatabaseUnavailableError:
            stored = self.run
        self._output.archived_bytes = max(self._output.archived_bytes, stored.output_bytes)
        if stored.state.final:
            self.run, self._away = stored, None
            self._stopping = self._paused = False
            self._output.end(stored.output_bytes)
            self._notify()
        elif self._away is None and error is not None:
            self._away = _away(error)
            self._seen = None
            self._output.move(stored.output_bytes, ended=False)
            self._notify()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _notify(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
        self._output.wake()


def as_seen(run: Run, seen: Seen) -> Run:
    """Return a stored run as its host says that it is; with its end, with all of its output.

    An end that its host could not have stored yet is none: the run may still be given up.
    """
    state = run.state if seen.state.final else seen.state
    told = replace(run, state=state, start_time=seen.start_time, reason=_line(seen.reason))
    end = seen.end
    if end is None or not seen.state.final:
        return told
    lines = run.output_lines if seen.lines is None else seen.lines
    end = replace(end, reason=_line(end.reason), signal=_line(end.signal))
    return replace(ended_run(told, end), output_bytes=seen.size, output_lines=lines)


def spacing_of(followed: int) -> float:
    """Return how long to wait between two questions about each of so many runs."""
    return min(max(1, followed) * SPACING_SECONDS, MAX_SPACING_SECONDS)


def _line(text: str | None) -> str | None:
    return None if text is None else line(text, REASON_CHARACTERS)


def _away(error: Exception) -> str:
    moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"its host is away since {moment}: {error}"
