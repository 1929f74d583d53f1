"""The workers, as users see them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from server.repositories.workers import Waiting, Worker, WorkerRepository
from server.services.fleet.suitable import Lack, lack

MAX_IN_VAIN = 10
"""Sets of labels that are told of a pool."""


class WorkerPresence(StrEnum):
    """How a worker stands: `unreachable` is one whose lease is over, which decides nothing."""

    ACTIVE = "active"
    DRAINING = "draining"
    UNREACHABLE = "unreachable"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker, how it stands by the database's clock, and how many runs it has."""

    worker: Worker
    state: WorkerPresence
    running: int = 0

    @property
    def draining(self) -> bool:
        """Whether it is to get no more runs; one that is unreachable may be so, too."""
        return self.worker.state == WorkerPresence.DRAINING

    @property
    def pools(self) -> Collection[str]:
        """The pools that it is of."""
        return self.worker.pools

    @property
    def labels(self) -> Collection[str]:
        """The labels that it has."""
        return self.worker.labels


@dataclass(frozen=True, slots=True)
class InVain:
    """What waits in a pool for a worker with some labels, and why none can have it now."""

    why: Lack
    requires: Sequence[str]
    waiting: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool: how many runs wait in it for a worker, and since when.

    `in_vain` is what of them no worker can have now, the longest wait first.
    """

    name: str
    waiting: int
    oldest_at: datetime | None
    in_vain: Sequence[InVain]


@dataclass(frozen=True, slots=True)
class FleetView:
    """All workers by name, and all pools by name; and whether NATS is reached.

    That is None where no workers are met.
    """

    items: Sequence[WorkerView]
    pools: Sequence[PoolView]
    is_met: bool | None


class WorkerService:
    """What users ask of workers; `is_met` tells whether NATS is reached."""

    def __init__(
        self, workers: WorkerRepository, is_met: Callable[[], bool | None] = lambda: None
    ) -> None:
        self._workers = workers
        self._is_met = is_met

    async def fleet(self, groups: AbstractSet[str] | None) -> FleetView:
        """Return workers and pools; what waits is of the commands of some groups, None: of all."""
        workers = await self.list()
        waiting, running = await self._workers.waiting(groups), await self._workers.running()
        items = [replace(one, running=running.get(one.worker.id, 0)) for one in workers]
        return FleetView(items, _pools(workers, waiting), self._is_met())

    async def list(self) -> Sequence[WorkerView]:
        """Return all workers, by name."""
        return [
            WorkerView(worker, _presence(worker.state, within_lease=within_lease))
            for worker, within_lease in await self._workers.list()
        ]


def _presence(state: str, *, within_lease: bool) -> WorkerPresence:
    if within_lease or state == WorkerPresence.REMOVED:
        return WorkerPresence(state)
    return WorkerPresence.UNREACHABLE


def _pools(workers: Iterable[WorkerView], waiting: Iterable[Waiting]) -> Sequence[PoolView]:
    """Return all pools that workers are of, and those in which runs wait without one."""
    by_pool: dict[str, list[Waiting]] = {
        pool: [] for one in workers if one.state is not WorkerPresence.REMOVED for pool in one.pools
    }
    for one in waiting:
        by_pool.setdefault(one.pool, []).append(one)
    return [_pool(name, by_pool[name], workers) for name in sorted(by_pool)]


def _pool(name: str, waiting: Sequence[Waiting], workers: Iterable[WorkerView]) -> PoolView:
    in_order = sorted(waiting, key=lambda one: one.oldest_at)
    in_vain = [
        InVain(why, one.requires, one.runs, one.oldest_at)
        for one in in_order
        if (why := lack(name, one.requires, workers)) is not None
    ]
    return PoolView(
        name=name,
        waiting=sum(one.runs for one in waiting),
        oldest_at=in_order[0].oldest_at if in_order else None,
        in_vain=in_vain[:MAX_IN_VAIN],
    )
