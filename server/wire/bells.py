"""Bells: a server tells that a run waits in a pool, and a worker that has places wakes.

A bell is a hint and no more: one that is lost costs time, and nobody is told of that.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress

from server.errors import EngineUnavailableError
from server.wire import subjects
from server.wire.connection import Listener, Wire


async def ring(wire: Wire, pool: str, *, everybody: bool = False) -> None:
    """Wake a worker of a pool that has places, or all of them: where not each may take the run."""
    subject = subjects.bell_of_all(pool) if everybody else subjects.bell(pool)
    with suppress(EngineUnavailableError):
        await wire.send(subject)


class Bells:
    """The bells of a worker's pools."""

    def __init__(self, wire: Wire, pools: Collection[str]) -> None:
        self._wire = wire
        self._pools = frozenset(pools)
        self._rung = asyncio.Event()
        self._listeners: list[Listener] = []
        wire.on_connect.append(self._rung.set)

    async def hear(self) -> None:
        """Listen, as one that has places: then claim once more, as it may have rung before."""
        if self._listeners:
            return
        for pool in sorted(self._pools):
            self._listeners += [
                await self._wire.listen(subjects.bell(pool), self._take, group=subjects.IDLE),
                await self._wire.listen(subjects.bell_of_all(pool), self._take),
            ]

    async def ignore(self) -> None:
        """Listen no more, as one that has no place: others are to be woken."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            await self._wire.ignore(listener)

    async def wait(self, seconds: float) -> bool:
        """Wait for a bell or a new connection, so long; return whether one of them came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung

    async def _take(self, _subject: str, _reply: str, _data: bytes) -> None:
        self._rung.set()
