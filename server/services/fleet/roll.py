"""What a server remembers of the workers, for a moment, to say of runs what becomes of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from server.errors import DatabaseUnavailableError
from server.models import Run
from server.services.fleet.suitable import WORDS, lack
from server.services.fleet.workers import WorkerView

FRESH_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Remembered:
    """The workers as they were at most FRESH_SECONDS ago; asked for when somebody wants to know.

    While the database is away they are as it told last. `pools` and `labels` are those of the
    server's own host.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Sequence[WorkerView]]],
        pools: Collection[str] = (),
        labels: Collection[str] = (),
    ) -> None:
        self._pools = frozenset(pools)
        self._labels = frozenset(labels)
        self._ask = ask
        self._workers: Mapping[str, WorkerView] | None = None
        self._asked_at = 0.0
        self._lock = asyncio.Lock()

    async def look_for(self, runs: Iterable[Run]) -> None:
        """Ask, where something is to be said of one of these runs by it."""
        if any(run.unclaimed for run in runs):
            await self._fresh()

    def get(self, host: str) -> WorkerView | None:
        """Return a worker as it stands; None: it is none that is known."""
        return (self._workers or {}).get(host)

    def lack(self, pool: str, requires: Collection[str]) -> str | None:
        """Say why nobody can have what waits in a pool; None: somebody can, or it is not known."""
        if self._workers is None or (pool in self._pools and self._labels.issuperset(requires)):
            return None
        found = lack(pool, requires, self._workers.values())
        return None if found is None else WORDS[found]

    async def _fresh(self) -> None:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._workers is not None and now - self._asked_at < FRESH_SECONDS:
                return
            try:
                found = await self._ask()
            except DatabaseUnavailableError as error:
                logger.debug("the workers are not known anew: %s", error)
                return
            self._workers = {one.worker.id: one for one in found}
            self._asked_at = now
