"""The Lagging: finds runs that start late or take long, and says so once."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from server.definition import Cause, CauseKind
from server.errors import DatabaseRefusedError
from server.keeper.failpoints import failpoint
from server.models import Run, RunState
from server.notifications import Telling
from server.repositories.fires import FireRepository, Mark, Usual
from server.repositories.notifications import NotificationRepository
from server.services.running.active import ActiveRuns
from server.services.schedules.telling import Occasion, telling
from server.services.tasks import forever

LOOK_SECONDS = 10.0

LATE = timedelta(minutes=5)
"""A run of a schedule, or of a pool, that is still queued so long after it was stored is late."""

LONG_FACTOR = 2
LONG = timedelta(seconds=60)
"""A run takes long when it goes on for more than LONG_FACTOR times as long as the longest of the
last RUNS that succeeded, and for LONG more."""

RUNS = 20
FEWEST = 5
"""Of fewer runs nothing is concluded."""

PRUNED = 5000
"""Rows that are forgotten at a time, at most: more than are written meanwhile."""

PRUNE_EVERY = timedelta(minutes=1)

MARKS = {Occasion.LATE: Mark.LATE, Occasion.LONG: Mark.LONG}

logger = logging.getLogger(__name__)


class Lagging:
    """Looks after the active runs of this server, in memory; the database is asked once a run.

    `others` returns those of pools, which any server looks after; None: there are no workers.
    `on_told` is called after it was stored who is to be told of what was found. What came of due
    times is kept for `kept`, None: for ever.
    """

    def __init__(
        self,
        active: ActiveRuns,
        fires: FireRepository,
        notifications: NotificationRepository,
        *,
        on_told: Callable[[], None],
        kept: timedelta | None,
        others: Callable[[], Awaitable[Sequence[Run]]] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._active = active
        self._fires = fires
        self._notifications = notifications
        self._on_told = on_told
        self._kept = kept
        self._others = others
        self._clock = clock
        self._prune_at = clock()
        self._late = set[UUID]()
        self._bounds: dict[UUID, timedelta | None] = {}

    async def run(self) -> None:
        """Look after runs, forever; the service's owner cancels it."""
        await forever(self.step, seconds=LOOK_SECONDS, name="looking for runs that lag")

    async def step(self) -> None:
        """Tell of what has become late or long.

        Raises:
            DatabaseUnavailableError: some may not be told of; it may be done again.
        """
        now = self._clock()
        others = () if self._others is None else await self._others()
        there = [*others, *(live.run for live in self._active)]
        runs = {run.id: run for run in there if is_watched(run)}
        self._late &= runs.keys()
        self._bounds = {one: bound for one, bound in self._bounds.items() if one in runs}
        await self._find_late(runs.values(), now)
        await self._find_long(runs.values(), now)
        await self._prune(now)

    async def _prune(self, now: datetime) -> None:
        """Forget old due times, some at a time."""
        if self._kept is not None and now >= self._prune_at:
            await self._fires.prune(now, self._kept, PRUNED)
            self._prune_at = now + PRUNE_EVERY

    async def _find_late(self, runs: Iterable[Run], now: datetime) -> None:
        for run in runs:
            if is_late(run, now) and run.id not in self._late:
                reason = f"it has been queued for {_whole(now - run.created_at)}"
                await self._note(Occasion.LATE, run, reason, now)
                self._late.add(run.id)

    async def _find_long(self, runs: Collection[Run], now: datetime) -> None:
        going = [run for run in runs if run.state is RunState.RUNNING and _took(run, now) > LONG]
        unknown = {run.command_id for run in going if run.id not in self._bounds}
        if unknown:
            usual = await self._fires.usual(unknown, RUNS)
            self._bounds |= {
                run.id: bound_of(usual.get(run.command_id))
                for run in going
                if run.id not in self._bounds
            }
        for run in going:
            bound = self._bounds[run.id]
            if bound is not None and _took(run, now) > bound:
                reason = f"it has been running for {_whole(_took(run, now))}, and not more"
                reason += f" than {_whole(bound)} was to be expected"
                await self._note(Occasion.LONG, run, reason, now)
                self._bounds[run.id] = None  # it is told once

    async def _note(self, occasion: Occasion, run: Run, reason: str, now: datetime) -> None:
        """Note it with the due time, if there is one, and who is told of it.

        Only what the database refuses for good is left: others are not to wait for it.
        """
        told = telling(occasion, run.command_id, run.options, run.id, reason)
        try:
            count = await self._store(MARKS[occasion], run.cause, told, now)
        except DatabaseRefusedError as error:
            logger.warning("nobody is told that a run lags: %s", error, extra={"run": run.id})
            return
        failpoint("lag.noted")
        if count:
            self._on_told()

    async def _store(self, mark: Mark, cause: Cause | None, told: Telling, now: datetime) -> int:
        """Return how many are told; none, where that was noted by a server before."""
        if cause is None or cause.kind is not CauseKind.SCHEDULE:
            return await self._notifications.add(told)
        if cause.id is None or cause.due_at is None:
            return await self._notifications.add(told)
        return await self._fires.mark(mark, cause.id, cause.due_at, now, told)


def is_watched(run: Run) -> bool:
    """Return whether it matters to somebody that a run is late or takes long."""
    if run.cause is not None and run.cause.kind is CauseKind.SCHEDULE:
        return True
    occasions = {Occasion.LONG} if run.pool is None else {Occasion.LONG, Occasion.LATE}
    return any(occasions & notify.on for notify in run.options.notify)


def is_late(run: Run, now: datetime) -> bool:
    """Return whether a run should have been started by now: by a schedule, or by a worker."""
    scheduled = run.cause is not None and run.cause.kind is CauseKind.SCHEDULE
    needs_worker = run.pool is not None and not run.waits
    since = max(run.created_at, run.not_before or run.created_at)
    return (scheduled or needs_worker) and run.state is RunState.QUEUED and now - since > LATE


def bound_of(usual: Usual | None) -> timedelta | None:
    """Return after how long a run takes long; None: it is not known."""
    if usual is None or usual.runs < FEWEST:
        return None
    longest = timedelta(seconds=usual.longest_seconds)
    return max(longest * LONG_FACTOR, longest + LONG)


def _took(run: Run, now: datetime) -> timedelta:
    return now - run.start_time


def _whole(time: timedelta) -> timedelta:
    return timedelta(seconds=time // timedelta(seconds=1))
