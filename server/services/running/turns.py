"""The Turns: when the runs that stand aside may be started.

A run waits for its time, and for its turn where its command limits how many go on at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from server.errors import DatabaseRefusedError, TailrunError
from server.keeper.failpoints import failpoint
from server.repositories.database.halving import in_parts
from server.repositories.lines import Line
from server.repositories.turns import TurnRepository
from server.services.faults import Faults, cause
from server.services.running import outcome, waiting
from server.services.running.active import ActiveRuns
from server.services.running.finisher import Finisher
from server.services.running.live import LiveRun
from server.services.running.run_tasks import RunTasks
from server.services.tasks import Retries

LOOK_SECONDS = 2.0
"""Between two looks at what runs of other servers have left or ask for."""

CLOCK_SECONDS = 30.0
"""The longest wait for a time: the clock may be set meanwhile."""

PATIENCE_SECONDS = 10.0
"""For so long runs of other servers that came before have precedence: a server that goes on takes
its turn within LOOK_SECONDS."""

RETRY_SECONDS = 1.0
LOOK_COMMANDS = 100
"""Commands that one statement looks at."""

logger = logging.getLogger(__name__)

Stop = Callable[[UUID, UUID], Awaitable[object]]
"""Stops a run for another one, whose id comes second, to have its turn."""


async def _stop_nothing(_run_id: UUID, _replaced_by: UUID) -> None:
    """Stop nothing."""


class Turns:
    """Gives the runs that stand aside their turns, and ends or stops those that are replaced.

    `stop` is what stops a running one.
    """

    def __init__(
        self,
        *,
        host: str,
        active: ActiveRuns,
        turns: TurnRepository,
        run_tasks: RunTasks,
        finisher: Finisher,
        faults: Faults,
    ) -> None:
        self.stop: Stop = _stop_nothing
        self._host = host
        self._active = active
        self._turns = turns
        self._run_tasks = run_tasks
        self._finisher = finisher
        self._faults = faults
        self._due: float | None = 0.0  # by the loop's clock: the next look at all that wait
        self._passed: dict[UUID, float] = {}
        self._stopping: set[UUID] = set()

    async def run(self) -> None:
        """Give turns, forever; the service's owner cancels it."""
        retries = Retries("turns cannot be given", seconds=RETRY_SECONDS)
        while True:
            pause = None if self._due is None else self._due - _clock()
            await self._active.aside.wait(pause)
            await retries.take(self._step)

    async def _step(self) -> None:
        """Look at what was rung, and at all that waits where that is due."""
        everything = self._due is not None and self._due <= _clock()
        rung = self._active.aside.take_rung()
        commands = rung | {*self._active.aside, *self._active.replaceable} if everything else rung
        now = datetime.now(UTC)
        asked = [command_id for command_id in commands if self._depends(command_id, now)]
        try:
            for start in range(0, len(asked), LOOK_COMMANDS):
                await self._look(asked[start : start + LOOK_COMMANDS], now)
        except BaseException:
            for command_id in rung:
                self._active.aside.ring(command_id)
            raise
        for command_id in commands:
            self._tell_times(self._active.aside.of(command_id), now)
        due = self._next(commands, now)
        self._due = due if everything or self._due is None else min(self._due, due or self._due)

    def _depends(self, command_id: UUID, now: datetime) -> bool:
        """Return whether something of a command depends on other runs, or has its time now."""
        return command_id in self._active.replaceable or any(
            live.run.options.concurrency is not None or is_due(live, now)
            for live in self._active.aside.of(command_id)
        )

    def _next(self, commands: Iterable[UUID], now: datetime) -> float | None:
        """Return when to look at these commands again, None: not before something happens."""
        pauses = []
        for command_id in commands:
            if self._depends(command_id, now):
                pauses.append(LOOK_SECONDS)
            pauses += [
                min((moment - now).total_seconds(), CLOCK_SECONDS)
                for live in self._active.aside.of(command_id)
                if (moment := live.run.not_before) is not None and moment > now
            ]
        return _clock() + min(pauses) if pauses else None

    async def _look(self, commands: Sequence[UUID], now: datetime) -> None:
        failpoint("turns.look")
        lines = await self._turns.look(commands, now)
        for line in lines:
            await self._replace(line)
        free = [line for line in lines if line.has_room and self._due_of(line, now)]
        await self._claim(free, now)
        for line in lines:
            self._tell(line, now)

    async def _replace(self, line: Line) -> None:
        """End and stop the runs of this host that the newest one of a command replaces."""
        if line.newest is None:
            return
        newest = (line.newest.created_at, line.newest.run_id)
        for live in self._active.aside.of(line.command_id):
            if (live.run.created_at, live.run.id) < newest and live in self._active.aside:
                await self._end(live, line.newest.run_id)
        for holder in line.replaced:
            live_holder = self._active.get(holder.run_id)
            if live_holder is not None:
                self._stop(live_holder, line.newest.run_id)

    async def _end(self, live: LiveRun, replaced_by: UUID) -> None:
        """End a run that waits and is replaced."""
        failpoint("turns.replacing")
        try:
            await self._finisher.finish_queued(live, outcome.replaced(replaced_by))
        except DatabaseRefusedError as error:
            self._faults.report(live.run.id, "it cannot be replaced now", error)
        failpoint("turns.replaced")

    def _stop(self, live: LiveRun, replaced_by: UUID) -> None:
        """Stop a run that is replaced, however long that takes; again: harmless."""
        live.mark_replaced(replaced_by)
        if live.stopping or live.run.id in self._stopping or self._active.closed:
            return
        self._stopping.add(live.run.id)

        async def stop() -> None:
            try:
                failpoint("turns.stopping")
                await self.stop(live.run.id, replaced_by)
                failpoint("turns.stopped")
            except TailrunError as error:  # it has just ended, or the next look asks again
                logger.info("run is not stopped: %s", cause(error), extra={"run": live.run.id})
            finally:
                self._stopping.discard(live.run.id)

        self._run_tasks.start(live, "replace", stop())

    async def _claim(self, lines: Sequence[Line], now: datetime) -> None:
        """Give turns where there is room."""
        if self._active.closed:  # what has its turn is started by the next server
            return
        await in_parts(lines, lambda part: self._claim_part(part, now), self._refused)

    async def _claim_part(self, lines: Sequence[Line], now: datetime) -> None:
        failpoint("turns.claiming")
        claimed = await self._turns.claim(
            [line.command_id for line in lines],
            [live.run.id for line in lines for live in self._due_of(line, now)],
            self._host,
            now,
            passed=[line.command_id for line in lines if self._is_passed(line)],
        )
        failpoint("turns.claimed")
        for line in lines:
            given = [live for live in self._due_of(line, now) if live.run.id in claimed]
            for live in given:  # one that was stopped meanwhile does not wait any more
                self._start(live, now)
            if given or not self._due_of(line, now):
                self._passed.pop(line.command_id, None)
            else:
                self._passed.setdefault(line.command_id, _clock())

    def _start(self, live: LiveRun, now: datetime) -> None:
        """Move a run that has its turn into the queue of those that wait for a place."""
        self._active.dequeue(live)
        live.mark_claimed(now)
        self._active.requeue(live)

    def _refused(self, line: Line, error: DatabaseRefusedError) -> None:
        for live in self._active.aside.of(line.command_id):
            live.mark_waiting(f"its turn cannot be stored now: {cause(error)}")

    def _is_passed(self, line: Line) -> bool:
        """Whether runs of other servers had room for so long that they are passed over."""
        since = self._passed.get(line.command_id)
        return since is not None and _clock() - since > PATIENCE_SECONDS

    def _due_of(self, line: Line, now: datetime) -> Collection[LiveRun]:
        """Return the runs of a command that wait, and whose time has come."""
        waiting_runs = self._active.aside.of(line.command_id)
        return [live for live in waiting_runs if is_due(live, now)]

    def _tell(self, line: Line, now: datetime) -> None:
        """Say what the runs of a command wait for."""
        reason = waiting.for_others(line, self._host)
        for live in self._due_of(line, now):
            if reason is not None:
                live.mark_waiting(reason)

    def _tell_times(self, lives: Iterable[LiveRun], now: datetime) -> None:
        for live in lives:
            moment = live.run.not_before
            if moment is not None and moment > now:
                live.mark_waiting(waiting.until(moment))


def is_due(live: LiveRun, now: datetime) -> bool:
    """Return whether a run's time has come."""
    return live.run.not_before is None or live.run.not_before <= now


def _clock() -> float:
    return asyncio.get_running_loop().time()
