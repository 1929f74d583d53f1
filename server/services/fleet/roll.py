"""What a server remembers of the workers, for a moment, to say of runs what becomes of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from server.errors import DatabaseUnavailableError
from server.models import Run
from server.services.fleet.suitable import WORDS, lack
from server.services.fleet.workers import WorkerPresence, WorkerView
from server.services.hosts.roll import HostSeen
from server.services.tasks import Tasks

if TYPE_CHECKING:
    from asyncio import Task

FRESH_SECONDS = 2.0

PATIENCE_SECONDS = 0.5
"""So long what is live, and needs no database, waits for it."""

logger = logging.getLogger(__name__)


class Remembered:
    """The workers as they were at most FRESH_SECONDS ago; asked for when somebody wants to know.

    While the database is away, or slow, they are as it told last.
    """

    def __init__(self, ask: Callable[[], Awaitable[Sequence[WorkerView]]], tasks: Tasks) -> None:
        self._ask = ask
        self._tasks = tasks
        self._workers: Mapping[str, WorkerView] | None = None
        self._asked_at = -FRESH_SECONDS
        self._is_over = False
        self._asking: Task[None] | None = None
        self._lacks: dict[tuple[str, tuple[str, ...]], str | None] = {}

    async def look_for(self, runs: Iterable[Run]) -> None:
        """Ask, where something is to be said of one of these runs by it."""
        if any(not run.state.final for run in runs):
            await self._fresh()

    def expire(self) -> None:
        """Have them asked for again, as they stand otherwise by now: also if that is under way."""
        self._is_over = True
        self._asked_at = -FRESH_SECONDS

    def host_of(self, host: str) -> HostSeen | None:
        """Return how a host is seen; None: it is none that is known."""
        found = (self._workers or {}).get(host)
        if found is None:
            return None
        is_away = found.state in {WorkerPresence.UNREACHABLE, WorkerPresence.REMOVED}
        return HostSeen(found.worker.name, found.worker.seen_at if is_away else None)

    def lack(self, pool: str, requires: Collection[str]) -> str | None:
        """Say why nobody can have what waits in a pool; None: somebody can, or it is not known.

        Many runs wait for the same, and there may be many workers: each lack is found once.
        """
        if self._workers is None:
            return None
        asked = (pool, tuple(requires))
        if asked not in self._lacks:
            found = lack(pool, requires, self._workers.values())
            self._lacks[asked] = None if found is None else WORDS[found]
        return self._lacks[asked]

    async def _fresh(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._asking is None and now - self._asked_at >= FRESH_SECONDS:
            self._asked_at = now
            self._asking = self._tasks.start(self._learn(), "workers")
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=PATIENCE_SECONDS)

    async def _learn(self) -> None:
        self._is_over = True
        try:
            while self._is_over:
                self._is_over = False
                self._workers = {one.worker.id: one for one in await self._ask()}
                self._lacks.clear()
        except DatabaseUnavailableError as error:
            logger.debug("the workers are not known anew: %s", error)
        finally:
            self._asking = None
