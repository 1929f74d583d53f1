"""The Firing: starts the runs of schedules when they are due.

One task sleeps until the first due time of all. Any number of servers do so: the one whose
statement moves the schedule on has the due time, and stores by it what came of it, and the run.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from server.access import Actor, KnownBy, Principal
from server.definition import Beyond, Cause, CauseKind, NewRun, StartAsked
from server.errors import (
    CommandNotFoundError,
    DatabaseRefusedError,
    LimitReachedError,
    ParametersError,
    ScheduleNotFoundError,
)
from server.keeper.failpoints import failpoint
from server.models import Command
from server.repositories.commands import CommandRepository
from server.repositories.fires import FireRepository, Outcome, Step
from server.repositories.schedules import ScheduleRepository
from server.schedules import Fire, FireOutcome, Schedule
from server.services.schedules.cron import Cron, CronError, ZoneError
from server.services.schedules.decision import (
    CORRECTED,
    Decision,
    Situation,
    begin,
    decide,
    paused,
)
from server.services.schedules.telling import decided_late
from server.services.starting.starts import Starts
from server.services.tasks import Retries, wait_for

LOOK_SECONDS = 10.0
"""The longest sleep: other servers change schedules, and clocks are set."""

WAITING_SECONDS = 2.0
"""Between two looks whether a run has ended for which a due time waits."""

RETRY_SECONDS = 1.0
ASIDE_SECONDS = 30.0
"""For so long a schedule is left that cannot be decided here."""

AT_ONCE = 8
"""Due times that are decided at the same time."""

Item = TypeVar("Item", Schedule, Fire)

logger = logging.getLogger(__name__)


def actor_of(schedule_id: UUID) -> Actor:
    """Return who acts where a schedule does."""
    return Actor(Principal(name=f"schedule {schedule_id}", known_by=KnownBy.SCHEDULE), "")


class Firing:
    """Decides what comes of due times, and starts the runs.

    `on_told` is called after it was stored who is to be told of due times that were decided late.
    """

    def __init__(
        self,
        *,
        commands: CommandRepository,
        schedules: ScheduleRepository,
        fires: FireRepository,
        starts: Starts,
        on_told: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._commands = commands
        self._schedules = schedules
        self._fires = fires
        self._starts = starts
        self._on_told = on_told
        self._clock = clock
        self._changed = asyncio.Event()
        self._aside: dict[UUID, float] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    def wake(self) -> None:
        """Look anew when the next due time comes: a schedule was made or changed."""
        self._changed.set()

    async def run(self) -> None:
        """Start runs when they are due, forever; the service's owner cancels it."""
        retries = Retries("schedules wait for the database", seconds=RETRY_SECONDS)
        while True:
            await wait_for(self._changed, await retries.take(self.step))

    async def step(self) -> float:
        """Decide what is due, and return after how many seconds to look again.

        Raises:
            DatabaseUnavailableError: some may not be decided; it may be done again.
        """
        self._changed.clear()
        now = self._clock()
        coming = await self._fires.coming(now + CORRECTED)
        is_due = coming.first is not None and coming.first <= now
        if (is_due or coming.any_waiting or coming.any_ahead) and await self._decide(now):
            return 0.0
        pause_seconds = WAITING_SECONDS if coming.any_waiting else LOOK_SECONDS
        if coming.first is None:
            return pause_seconds
        # One that has come and was not decided is left for a while, or another server's.
        seconds = RETRY_SECONDS if is_due else (coming.first - now).total_seconds()
        return min(seconds, pause_seconds)

    async def _decide(self, now: datetime) -> bool:
        """Decide what is due; return whether there was anything."""
        loop = asyncio.get_running_loop()
        self._aside = {one: until for one, until in self._aside.items() if until > loop.time()}
        ahead = await self._fires.ahead(now + CORRECTED, [*self._aside])
        await self._each(ahead, self._reset, lambda one: one.id)
        due = await self._fires.due(now, [*self._aside])
        await self._each(due, self._fire, lambda one: one.id)
        waiting = await self._fires.waiting([*self._aside])
        await self._each(waiting, self._settle, lambda one: one.schedule_id)
        return bool(ahead or due or waiting)

    async def _each(
        self,
        items: Sequence[Item],
        act: Callable[[Item], Awaitable[None]],
        id_of: Callable[[Item], UUID],
    ) -> None:
        """Act on each item, some at a time; what cannot be done now is left for a while."""

        async def one(item: Item) -> None:
            async with self._places:
                try:
                    await act(item)
                except (DatabaseRefusedError, CronError, ZoneError) as error:
                    self._leave(id_of(item), error)

        # All are awaited, so that none goes on alone where another fails.
        results = await asyncio.gather(*map(one, items), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _leave(self, schedule_id: UUID, error: Exception) -> None:
        """Leave a schedule for a while, which others go on."""
        logger.warning(
            "schedule cannot be decided now, tried again: %s",
            error,
            extra={"schedule": str(schedule_id)},
        )
        self._put_aside(schedule_id, ASIDE_SECONDS)

    def _put_aside(self, schedule_id: UUID, seconds: float) -> None:
        self._aside[schedule_id] = asyncio.get_running_loop().time() + seconds

    async def _reset(self, schedule: Schedule) -> None:
        """Go on by a clock that was set back by hours: it was wrong before."""
        cron = Cron.of(schedule.cron, schedule.time_zone)
        times = begin(schedule, cron, self._clock())
        await self._fires.reset(schedule, times, _fire_at(schedule, times))

    async def _fire(self, schedule: Schedule) -> None:
        """Decide what comes of a schedule's due time, and start its run."""
        cron = Cron.of(schedule.cron, schedule.time_zone)
        with suppress(CommandNotFoundError):  # it was deleted with its schedules
            await self._fire_of(schedule, cron, await self._commands.get(schedule.command_id))

    async def _fire_of(self, schedule: Schedule, cron: Cron, command: Command) -> None:
        active = await self._fires.active(schedule)
        now = self._clock()
        pause = command.paused if command.paused is not None and command.paused.holds(now) else None
        situation = Situation(now=now, pause=pause, active=active.run_id, waiting=active.waiting)
        decision = decide(schedule, cron, situation)
        outcome = await self._outcome(schedule, command, decision, now)
        failpoint("schedule.deciding")
        step = _step(schedule, command, decision)
        ours, run = await self._fires.fire(schedule, step, outcome)
        failpoint("schedule.decided")
        if run is not None:
            await self._starts.queue(run)
        if not ours:  # another server had it, or it has changed: it is read anew
            self._put_aside(schedule.id, RETRY_SECONDS)
        elif step.told is not None:
            self._on_told()

    async def _settle(self, fire: Fire) -> None:
        """Start the run of a due time that waited for the one before."""
        with suppress(ScheduleNotFoundError, CommandNotFoundError):
            schedule = await self._schedules.get(fire.schedule_id)
            command = await self._commands.get(schedule.command_id)
            await self._settle_of(fire, schedule, command)

    async def _settle_of(self, fire: Fire, schedule: Schedule, command: Command) -> None:
        now = self._clock()
        if command.paused is not None and command.paused.holds(now):
            outcome = self._nothing(
                command, FireOutcome.PAUSED, paused(command.paused), schedule.id
            )
        elif not schedule.enabled:
            reason = "the schedule was disabled while it waited"
            outcome = self._nothing(command, FireOutcome.REFUSED, reason, schedule.id)
        else:
            outcome = await self._start(schedule, command, fire.due_at, None, now)
        failpoint("schedule.settling")
        ours, run = await self._fires.settle(fire, outcome)
        failpoint("schedule.settled")
        if run is not None:
            await self._starts.queue(run)
        if not ours:
            self._put_aside(schedule.id, RETRY_SECONDS)

    async def _outcome(
        self, schedule: Schedule, command: Command, decision: Decision, now: datetime
    ) -> Outcome:
        if decision.outcome is FireOutcome.STARTED:
            return await self._start(schedule, command, decision.due_at, decision.reason, now)
        return self._nothing(command, decision.outcome, decision.reason, schedule.id)

    async def _start(
        self,
        schedule: Schedule,
        command: Command,
        due_at: datetime,
        reason: str | None,
        now: datetime,
    ) -> Outcome:
        """Return the start of a run, or why the command does not take it."""
        try:
            run = await self._new_run(schedule, command, due_at)
        except (LimitReachedError, ParametersError) as error:
            return self._nothing(command, FireOutcome.REFUSED, str(error), schedule.id)
        return Outcome(
            command=command,
            outcome=FireOutcome.STARTED,
            reason=reason,
            host=self._starts.host,
            now=now,
            by=actor_of(schedule.id),
            run=run,
        )

    async def _new_run(self, schedule: Schedule, command: Command, due_at: datetime) -> NewRun:
        await self._starts.admit(command)
        values = dict(schedule.parameters)
        if command.options.secrets:
            # One that is a secret no more would be shown: it is given anew by whoever knows it.
            kept = await self._schedules.secrets(schedule.id)
            values |= {name: kept[name] for name in command.options.secrets & kept.keys()}
        why = Cause(kind=CauseKind.SCHEDULE, id=schedule.id, due_at=due_at)
        run = self._starts.new_run(command.options, StartAsked(values=values, cause=why))
        concurrency = command.options.concurrency
        if concurrency is not None and concurrency.beyond is Beyond.REFUSE:
            return replace(run, claimed_at=self._clock())  # it is stored only where it has its turn
        return run

    def _nothing(
        self, command: Command, outcome: FireOutcome, reason: str | None, schedule_id: UUID
    ) -> Outcome:
        return Outcome(
            command=command,
            outcome=outcome,
            reason=reason,
            host=self._starts.host,
            now=self._clock(),
            by=actor_of(schedule_id),
        )


def _step(schedule: Schedule, command: Command, decision: Decision) -> Step:
    return Step(
        due_at=decision.due_at,
        last_due_at=decision.last_due_at,
        count=decision.count,
        late=decision.late,
        next_times=decision.next_times,
        fire_at=_fire_at(schedule, decision.next_times),
        told=decided_late(schedule.id, command, decision.due_at) if decision.late else None,
    )


def _fire_at(schedule: Schedule, times: Sequence[datetime]) -> datetime | None:
    return schedule.fire_at_of(times[0]) if times else None
