"""Retention: removes runs that are too old, too many or too large, and gives their space back."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from server.errors import DatabaseUnavailableError
from server.keeper.failpoints import failpoint
from server.repositories.requests import RequestRepository
from server.repositories.retention import RetentionRepository, Space
from server.services.tasks import forever
from server.settings.groups import RetentionSettings

SWEEP_SECONDS = 60.0
"""Between two sweeps."""

RUNS_PER_STEP = 200
"""Runs that one statement deletes, at most: a few megabytes with their previews."""

CHUNKS_PER_STEP = 64
"""Chunks that one statement deletes, at most: up to 64 MiB of output."""

BUSY_SHARE = 0.2
"""The part of the time that is spent on removing; the rest belongs to the service."""

MIN_PAUSE_SECONDS = 0.01

MIN_EMPTY_BYTES = 1024 * 1024
"""Of a table that is written anew, at least; less is left for new output."""

MAX_USED_BYTES = 256 * 1024 * 1024
"""In use of a table that is written anew, at most: it is locked for a second or two."""

DAY_SECONDS = 24 * 3600.0

DAILY_SHARE = 0.1
"""The part of the ended runs that is removed by age in a day, beyond the day before's number."""

KEYS_PER_STEP = 1000
"""Keys of requests that one statement forgets, at most."""

Result = TypeVar("Result")

SURGE = (
    "{old} of {ended} runs are older than TAILRUN_RETENTION_DAYS all at once: is a clock wrong?"
    " They are kept until that was so for a day"
)

logger = logging.getLogger(__name__)


class Retention:
    """Keeps the history within its limits; a limit that is None does not apply.

    Runs go that ended more than `days` ago; that are not among the newest `runs_per_command` of
    their command that have ended; and, first those that ended first, until all that have ended
    have `total_bytes` of output at most. An active run never goes.

    A clock that is set wrongly makes every run old at once. So what is to go by its age must be old
    by the database's clock as well; and where it is more than a tenth of all runs, beyond what went
    the day before, nothing goes until that was so for a day (of the monotonic clock).
    """

    def __init__(
        self,
        repository: RetentionRepository,
        requests: RequestRepository,
        settings: RetentionSettings,
        *,
        on_removed: Callable[[], None],
    ) -> None:
        self._on_removed = on_removed
        self._repository = repository
        self._requests = requests
        self._surge = Surge()
        self._days = settings.days
        self._runs_per_command = settings.runs_per_command
        self._total_bytes = settings.bytes
        self._may_have_space = True

    async def run(self) -> None:
        """Sweep again and again, forever; the service's owner cancels it."""
        await forever(self.sweep, seconds=SWEEP_SECONDS, name="retention")

    async def sweep(self) -> None:
        """Remove what is beyond the bounds, and what is left of runs that were deleted.

        What is cut off goes on with the next sweep.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        failpoint("retention.sweep")
        self._repository.try_refused_again()
        removed = await self._remove_old()
        removed += await self._remove_beyond_count()
        removed += await self._remove_beyond_bytes()
        if removed:
            self._on_removed()
            logger.info("retention removed %d runs", removed)
        await _repeat(lambda: self._requests.forget(KEYS_PER_STEP))
        if await _repeat(lambda: self._repository.purge(CHUNKS_PER_STEP)):
            self._may_have_space = True
        if self._may_have_space:
            await self._give_space_back()

    async def _remove_old(self) -> int:
        if self._days is None:
            return 0
        moment = datetime.now(UTC) - timedelta(days=self._days)
        ended, old = await self._repository.count_ended(moment)
        if not self._surge.permits(old, ended, time.monotonic()):
            return 0
        removed = await _repeat(lambda: self._repository.delete_ended_before(moment, RUNS_PER_STEP))
        self._surge.removed(removed, time.monotonic())
        return removed

    def problem(self) -> str:
        """Return why runs that are too old are kept for now; `ok` when none is."""
        return self._surge.problem

    async def _remove_beyond_count(self) -> int:
        if self._runs_per_command is None:
            return 0
        keep, removed = self._runs_per_command, 0
        for command_id in await self._repository.crowded(keep):
            delete = partial(self._repository.delete_beyond, command_id, keep, RUNS_PER_STEP)
            removed += await _repeat(delete)
        return removed

    async def _remove_beyond_bytes(self) -> int:
        if self._total_bytes is None:
            return 0
        excess_bytes = await self._repository.archived_bytes() - self._total_bytes

        async def step() -> int:
            nonlocal excess_bytes
            if excess_bytes <= 0:
                return 0
            removed, freed_bytes = await self._repository.delete_oldest(excess_bytes, RUNS_PER_STEP)
            excess_bytes -= freed_bytes
            return removed

        return await _repeat(step)

    async def _give_space_back(self) -> None:
        """Write the tables anew that are mostly empty; one that is in use, the next time."""
        self._may_have_space = False
        for table in await self._repository.tables():
            space = await _then_rest(partial(self._repository.space, table))
            if not worth_rewriting(space):
                continue
            try:
                left = await _then_rest(partial(self._repository.rewrite, table))
            except DatabaseUnavailableError as error:  # it is in use, mostly
                self._may_have_space = True
                reason = "space not given back, tried again with the next sweep: %s"
                logger.info(reason, error, extra={"table": table.name})
            else:
                freed_bytes = space.total_bytes - left
                about = {"table": table.name, "bytes": freed_bytes}
                logger.info("space is given back", extra=about)


class Surge:
    """Decides whether so many runs are too old, so suddenly, that a clock may be wrong."""

    def __init__(self) -> None:
        self.problem = "ok"
        self._since: float | None = None
        self._removed: deque[tuple[float, int]] = deque()

    def permits(self, old: int, ended: int, now: float) -> bool:
        """Return whether `old` of the runs that have `ended` may go now."""
        while self._removed and self._removed[0][0] <= now - 2 * DAY_SECONDS:
            self._removed.popleft()
        # As many as the day before are no surge: a history that is used evenly loses them daily.
        today = sum(count for at, count in self._removed if at > now - DAY_SECONDS)
        before = sum(count for _, count in self._removed) - today
        if not old or old <= max(1, ended * DAILY_SHARE) + before - today:
            self._since, self.problem = None, "ok"
            return True
        if self._since is None:
            self._since = now
            self.problem = SURGE.format(old=old, ended=ended)
            logger.warning("%s", self.problem)
        return now - self._since >= DAY_SECONDS

    def removed(self, count: int, now: float) -> None:
        """Note that so many were removed."""
        if count:
            held = self._since is not None  # for a day: they were due the day before
            self._removed.append((now - DAY_SECONDS if held else now, count))
            self._since, self.problem = None, "ok"


def worth_rewriting(space: Space) -> bool:
    """Return whether most of a table is empty, and what is not is written quickly."""
    empty_bytes = space.total_bytes - space.used_bytes
    return (
        empty_bytes > space.used_bytes
        and empty_bytes > MIN_EMPTY_BYTES
        and space.used_bytes <= MAX_USED_BYTES
    )


def pause_seconds(busy_seconds: float) -> float:
    """Return how long to rest after a step that took so long."""
    return max(MIN_PAUSE_SECONDS, busy_seconds * (1 / BUSY_SHARE - 1))


async def _repeat(step: Callable[[], Awaitable[int]]) -> int:
    """Take a step again and again, with rests, until it does nothing; return what it did."""
    total = 0
    while done := await _then_rest(step):
        total += done
    return total


async def _then_rest(step: Callable[[], Awaitable[Result]]) -> Result:
    """Take a step, and rest in proportion to its time."""
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    result = await step()
    await asyncio.sleep(pause_seconds(loop.time() - started_at))
    return result
