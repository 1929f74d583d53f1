"""The servers' bells: that a run waits in a pool is told to a worker that has places."""

import asyncio
from collections import Counter

from server.services.hosts.unclaimed import Waiting
from server.wire.bells import ring
from server.wire.connection import Wire

MAX_BELLS = 100
"""In a row, of one pool: whom they wake claims as many runs as it has places for."""


class Ringing:
    """Rings for runs that may be claimed, a bell for each: each wakes one worker.

    Without a connection it rings once there is one: who came back before that has looked in vain.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._waiting: Counter[Waiting] = Counter()
        self._rung = asyncio.Event()

    def ring(self, waiting: Waiting) -> None:
        """Note that a run waits."""
        self._waiting[waiting] += 1
        self._rung.set()

    async def run(self) -> None:
        """Ring, forever; the owner cancels it."""
        while True:
            await self._rung.wait()
            await self._wire.until_connected()
            self._rung.clear()
            waiting, self._waiting = self._waiting, Counter()
            for one, count in waiting.items():
                everybody = one.requires_labels  # who is woken may not have them
                for _ in range(1 if everybody else min(count, MAX_BELLS)):
                    await ring(self._wire, one.pool, everybody=everybody)
