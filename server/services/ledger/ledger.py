"""What runs and archives commands asks of the database: all of it, about the runs of one host.

Whatever stands between a host and the database is behind this: nothing, or a network.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from server.models import Advance, Position, Run, RunEnd


@dataclass(frozen=True, slots=True)
class StartData:
    """What a run is started with that no run in memory has: values of secrets, a hook's body.

    `body` is None where its hook was sent nothing, or that is not there any more.
    """

    secrets: Mapping[str, str]
    body: bytes | None


class Ledger(Protocol):
    """The database, as a host sees it whose runs it holds.

    Each method may be called again where its answer was lost, and raises
    DatabaseUnavailableError when it cannot be answered now, DatabaseRefusedError when it never
    will be as it was asked.
    """

    async def active(self) -> Sequence[Run]:
        """Return the queued and running runs of the host, oldest first."""
        ...

    async def running(self) -> Sequence[Run]:
        """Return the running runs of the host, in any order."""
        ...

    async def take_over(self, runs: Iterable[Run]) -> Mapping[UUID, Position]:
        """Become the owner of runs, as they were read: raise their epochs, which fences all before.

        Returns where each stands; runs that are no longer active are left out.
        """
        ...

    async def start_of(self, run: Run) -> StartData:
        """Return what a run is started with; most need nothing, and nobody is asked for it."""
        ...

    async def append(self, advances: Sequence[Advance]) -> set[UUID]:
        """Move runs on by compare and append, all or nothing of each; return those that moved."""
        ...

    async def positions(self, run_ids: Iterable[UUID]) -> Mapping[UUID, Position]:
        """Return where the archives of runs of whatever host stand; unknown runs are left out."""
        ...

    async def times(self, run_id: UUID) -> Sequence[tuple[int, float]]:
        """Return when what is archived was first seen: offsets and Unix seconds, ascending."""
        ...

    async def finish_queued(self, run_id: UUID, end: RunEnd) -> bool:
        """End a run that is still queued; False when it is not."""
        ...

    async def get(self, run_id: UUID) -> Run:
        """Return a run.

        Raises:
            RunNotFoundError: there is no such run.
        """
        ...
