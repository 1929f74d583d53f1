"""What workers append: as much as comes while a statement is under way is stored by the next."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from server.models import Advance
from server.repositories.database.batches import Batches
from server.repositories.output import OutputRepository

if TYPE_CHECKING:
    import asyncio

AT_ONCE = 2
"""Statements under way: while the database does one, the next is sent."""

BATCH_ADVANCES = 1000
BATCH_BYTES = 4 * 1024 * 1024
"""A statement with so much gets no further request: sending it blocks the event loop."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a worker asks to have stored: one advance of each of its runs."""

    host: str
    advances: Sequence[Advance]

    @property
    def runs(self) -> set[UUID]:
        """The runs that are to move."""
        return {advance.run_id for advance in self.advances}

    @property
    def size(self) -> int:
        """How many bytes the database is sent, but for little."""
        return sum(len(chunk.data) for advance in self.advances for chunk in advance.chunks)


Waiting = tuple[Asked, "asyncio.Future[set[UUID]]"]


class Appends(Batches[Asked, set[UUID]]):
    """Stores what workers append, many of them by one statement; one that is refused fails alone.

    Workers have their turns: one that asks for much waits behind others' first requests, not they
    behind all of its own.
    """

    def __init__(self, outputs: OutputRepository, *, timeout_seconds: float) -> None:
        super().__init__(
            self._append,
            lambda asked: asked.size,
            timeout_seconds=timeout_seconds,
            at_once=AT_ONCE,
        )
        self._outputs = outputs

    async def _append(self, batch: Sequence[Asked]) -> Sequence[set[UUID]]:
        """Store a batch; return of each request which of its runs have moved."""
        hosts = {run_id: asked.host for asked in batch for run_id in asked.runs}
        advances = [advance for asked in batch for advance in asked.advances]
        moved = await self._outputs.append(advances, hosts=hosts)
        return [asked.runs & moved for asked in batch]

    def _next(self) -> list[Waiting]:
        """Take what the next statement does: one advance of a run, a request of each in turn."""
        batch, left = fair(self._waiting)
        self._waiting = deque(left)
        return batch


def fair(waiting: Sequence[Waiting] | deque[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """Divide what waits, in the order in which it came, into a batch and what is left. Pure."""
    there = [one for one in waiting if not one[1].done()]  # else its caller was cancelled
    of_host = Counter[str]()
    turns = []
    for place, (asked, _) in enumerate(there):
        turns.append((of_host[asked.host], place))
        of_host[asked.host] += 1
    taken, runs = set[int](), set[UUID]()
    count = size = 0
    for _, place in sorted(turns):
        asked = there[place][0]
        if taken and (
            count + len(asked.advances) > BATCH_ADVANCES or size + asked.size > BATCH_BYTES
        ):
            break
        if runs.isdisjoint(asked.runs):
            taken.add(place)
            runs |= asked.runs
            count, size = count + len(asked.advances), size + asked.size
    return [there[place] for place in sorted(taken)], [
        one for place, one in enumerate(there) if place not in taken
    ]
