"""The workers, as users see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from server.repositories.workers import Worker, WorkerRepository


class WorkerPresence(StrEnum):
    """How a worker stands: `unreachable` is one whose lease is over, which decides nothing."""

    ACTIVE = "active"
    DRAINING = "draining"
    UNREACHABLE = "unreachable"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker, and how it stands by the database's clock."""

    worker: Worker
    state: WorkerPresence


class WorkerService:
    """What users ask of workers."""

    def __init__(self, workers: WorkerRepository) -> None:
        self._workers = workers

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
