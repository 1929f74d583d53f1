"""Retention: removes runs that are too old, too many or too large, and gives their space back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from server.errors import DatabaseUnavailableError
from server.repositories.retention import RetentionRepository, Space, Table
from server.services.tasks import for_ever

SWEEP_SECONDS = 60.0
"""Between two sweeps."""

RUNS_PER_STEP = 200
"""Runs that one statement deletes, at most: a few megabytes with their previews."""

CHUNKS_PER_STEP = 64
"""Chunks that one statement deletes, at most: up to 64 MiB of output."""

BUSY_SHARE = 0.2
"""Of the time, how much is spent on removing; the rest belongs to the service."""

MIN_PAUSE_SECONDS = 0.01

MIN_EMPTY_BYTES = 1024 * 1024
"""Of a table that is written anew, at least; less is left for new output."""

MAX_USED_BYTES = 256 * 1024 * 1024
"""In use of a table that is written anew, at most: it is locked for a second or two."""

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class Retention:
    """Keeps the history within bounds; 0 is none.

    Runs go that ended more than `days` ago; that are not among the newest `runs_per_command` of
    their command that have ended; and, first those that ended first, until all that have ended
    have `total_bytes` of output at most. An active run never goes.
    """

    def __init__(
        self,
        repository: RetentionRepository,
        *,
        days: float = 0.0,
        runs_per_command: int = 0,
        total_bytes: int = 0,
    ) -> None:
        self._repository = repository
        self._days = days
        self._runs_per_command = runs_per_command
        self._total_bytes = total_bytes
        self._space_to_look_for = True

    async def run(self) -> None:
        """Sweep again and again, for ever; the service's owner cancels it."""
        await for_ever(self.sweep, seconds=SWEEP_SECONDS, name="retention")

    async def sweep(self) -> None:
        """Remove what is beyond the bounds, and what is left of runs that were deleted.

        What is cut off goes on with the next sweep.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        removed = await self._remove_old()
        removed += await self._remove_beyond_count()
        removed += await self._remove_beyond_bytes()
        if removed:
            logger.info("retention removed %d runs", removed)
        if await _repeat(lambda: self._repository.purge(CHUNKS_PER_STEP)):
            self._space_to_look_for = True
        if self._space_to_look_for:
            await self._give_space_back()

    async def _remove_old(self) -> int:
        if not self._days:
            return 0
        moment = datetime.now(UTC) - timedelta(days=self._days)
        return await _repeat(lambda: self._repository.delete_ended_before(moment, RUNS_PER_STEP))

    async def _remove_beyond_count(self) -> int:
        if not self._runs_per_command:
            return 0
        keep, removed = self._runs_per_command, 0
        for command_id in await self._repository.crowded(keep):
            removed += await _repeat(
                lambda: self._repository.delete_beyond(command_id, keep, RUNS_PER_STEP)  # noqa: B023
            )
        return removed

    async def _remove_beyond_bytes(self) -> int:
        if not self._total_bytes:
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
        self._space_to_look_for = False
        for table in await self._repository.tables():
            await _rested(lambda: self._look_at(table))  # noqa: B023

    async def _look_at(self, table: Table) -> None:
        space = await self._repository.space(table)
        if not worth_rewriting(space):
            return
        try:
            left = await self._repository.rewrite(table)
        except DatabaseUnavailableError as error:
            self._space_to_look_for = True
            logger.info("space is not given back now: %s", error, extra={"table": table.name})
        else:
            about = {"table": table.name, "bytes": space.total_bytes - left}
            logger.info("space is given back", extra=about)


def worth_rewriting(space: Space) -> bool:
    """Tell whether most of a table is empty, and what is not is written quickly."""
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
    while done := await _rested(step):
        total += done
    return total


async def _rested(step: Callable[[], Awaitable[Result]]) -> Result:
    """Take a step, and rest in proportion."""
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    result = await step()
    await asyncio.sleep(pause_seconds(loop.time() - started_at))
    return result
