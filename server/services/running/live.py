"""A run that this server follows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

from server.models import CommandLabel, Run, RunEnd, RunState
from server.output.log import RunLog
from server.repositories.rows import cut_run
from server.services.running import waiting

END_STORED_SECONDS = 2.0
"""For so long a viewer waits for the end to be stored: the database may be unavailable."""

PAUSING = {"SIGSTOP": True, "SIGTSTP": True, "SIGCONT": False}
"""Whether a run is paused after these signals."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as users see it: `output_bytes` is what has been written, not what is archived."""

    run: Run
    stopping: bool
    paused: bool
    output_bytes: int

    @classmethod
    def stored(cls, run: Run, lack: str | None = None) -> "RunView":
        """View a run that is not active here; `lack` says why no worker can have it."""
        told = run
        if run.waits:
            told = replace(run, reason=waiting.at_first(run))
        elif run.unclaimed:
            told = replace(run, reason=waiting.for_worker(run, lack))
        return cls(told, stopping=False, paused=False, output_bytes=run.output_bytes)

    def cut(self) -> "RunView":
        """Return it as lists have it: without what may be large."""
        return replace(self, run=cut_run(self.run))


@dataclass(frozen=True, slots=True)
class NamedRunView(RunView):
    """A run with what its command is called, None: it was deleted meanwhile."""

    command: CommandLabel | None

    @classmethod
    def of(cls, view: RunView, command: CommandLabel | None) -> "NamedRunView":
        """View a run together with its command."""
        return cls(view.run, view.stopping, view.paused, view.output_bytes, command)


@dataclass(slots=True)
class Obstacle:
    """What keeps every queued run from its start; None: nothing but the bound of places."""

    reason: str | None = None


class LiveRun:
    """An active run: its newest state, its log once it started, and who waits for a change.

    `log` is None until the run has a process. `stopping`: a stop was asked for. `paused`: its
    process group got SIGSTOP and no SIGCONT since. `fault` says what fails for it while it is
    postponed, after so many `attempts`; `given_up`: it was asked to end meanwhile. `waits` says
    what it waits for aside; `obstacle` is that of the queue. `replaced_by` is the run that it is
    stopped for. `lost` is the run as it is stored, if it was given up while its host was away: so
    it is seen, though it may go on here for a moment. `changes` counts its changes, and `on_change`
    is called at each.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.log: RunLog | None = None
        self.stopping = False
        self.paused = False
        self.fault: str | None = None
        self.attempts = 0
        self.given_up = False
        self.waits: str | None = None
        self.replaced_by: UUID | None = None
        self.obstacle = Obstacle()
        self.lost: Run | None = None
        self.changes = 0
        self.on_change: Callable[[LiveRun], None] = _nobody
        self._change = asyncio.Event()
        self._end_was_told = False

    @property
    def view(self) -> RunView:
        """The run as users see it now."""
        size = self.run.output_bytes if self.log is None else self.log.size
        if self.lost is not None:
            return RunView(self.lost, stopping=False, paused=False, output_bytes=size)
        run = self.run
        if self.fault is not None and not run.state.final:
            run = replace(run, reason=self.fault)
        elif run.state is RunState.QUEUED:
            run = replace(run, reason=self.waits or self.obstacle.reason)
        return RunView(run, self.stopping, self.paused, size)

    def mark_started(
        self, log: RunLog, start_time: datetime, *, stopping: bool, paused: bool
    ) -> None:
        """Record that the run has a process, whose output is read from `log`."""
        assert not self.run.state.final, "an ended run does not start"
        self.log = log
        self.stopping, self.paused = stopping, paused
        self.run = replace(self.run, state=RunState.RUNNING, start_time=start_time)
        self._notify()

    def mark_stored(self, run: Run) -> None:
        """Record what the database knows of a run that was shown from its spool alone."""
        self.run = replace(run, state=RunState.RUNNING, start_time=self.run.start_time)

    def mark_queued(self) -> None:
        """Record that the run waits in the queue, perhaps again."""
        self._notify()  # a stop that waits for its start finds it in the queue

    def mark_waiting(self, reason: str) -> None:
        """Record what the run waits for before it may be started."""
        if self.waits != reason:
            self.waits = reason
            self._notify()

    def mark_claimed(self, moment: datetime) -> None:
        """Record that it waits no more: it may be started."""
        self.waits = None
        self.run = replace(self.run, claimed_at=moment)

    def mark_replaced(self, by: UUID) -> None:
        """Record the run for which it is stopped; its reason says so once it has ended."""
        self.replaced_by = by

    def mark_postponed(self, fault: str) -> None:
        """Record that something fails for the run, and will be tried again."""
        self.attempts += 1
        if self.fault != fault:
            self.fault = fault
            self._notify()

    def mark_resolved(self) -> None:
        """Record that what failed for the run has succeeded."""
        self.fault, self.attempts, self.given_up = None, 0, False
        self._notify()

    def mark_stopping(self) -> None:
        """Record that the run is to end; a postponed one may end without the rest of its output."""
        self.given_up = self.fault is not None
        if not self.stopping or self.paused:
            self.stopping, self.paused = True, False
            self._notify()

    def mark_signalled(self, signal: str) -> None:
        """Record that a signal was sent: SIGSTOP pauses a run, SIGCONT resumes it."""
        if signal in PAUSING and self.paused != PAUSING[signal]:
            self.paused = PAUSING[signal]
            self._notify()

    def mark_archived(self, output_bytes: int, output_lines: int) -> None:
        """Record how far the run's archive reaches."""
        # Nobody is notified: viewers follow the log, and would be woken by each flush.
        self.run = replace(self.run, output_bytes=output_bytes, output_lines=output_lines)

    def mark_lost(self, stored: Run) -> None:
        """Record that the run was given up while its host was away."""
        self.lost = stored
        self._notify()

    def mark_ended(self, end: RunEnd) -> None:
        """Record that the run's end is stored."""
        assert not self.run.state.final, "a run ends once"
        self.stopping = self.paused = False
        self.run = ended_run(self.run, end)
        self._notify()

    @property
    def change(self) -> asyncio.Event:
        """The event of the run's next change; take it before reading the run, to miss none."""
        return self._change

    async def until_started(self) -> AsyncIterator[RunView]:
        """Wait until there is a log to be followed, or the run has ended without one.

        Yields the run as it is now, and again at each change, as long as there is none.
        """
        while self.log is None and not self.run.state.final:
            change = self._change
            yield self.view
            await change.wait()

    async def wait_ended(self, end_of: Callable[[Run], RunEnd]) -> Run:
        """Return the run with its end; call it once the log has ended.

        While the database is unavailable the end is reported before it is stored: it is a fact.
        Once it was, nobody else waits.
        """
        seconds = 0.0 if self._end_was_told else END_STORED_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not self.run.state.final:
                        await self._change.wait()
            if self.run.state.final or self.log is None:
                return self.run
            size, seconds = self.log.size, END_STORED_SECONDS
            with suppress(OSError):  # descriptors are short, or the disk fails: read it again
                run = ended_run(self.run, end_of(self.run))
                lines = await self.log.lines_before(size)
                self._end_was_told = True
                return replace(run, output_bytes=size, output_lines=lines)

    def _notify(self) -> None:
        self.changes += 1
        change, self._change = self._change, asyncio.Event()
        change.set()
        if self.log is not None:
            self.log.wake()
        self.on_change(self)


def _nobody(_live: LiveRun) -> None:
    """Tell nobody."""


def ended_run(run: Run, end: RunEnd) -> Run:
    """Return the run as it is after its end."""
    return replace(run, **asdict(end))
