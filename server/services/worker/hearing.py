"""When a worker claims: at a bell of its pools, when a place is free, and after a while anyhow."""

import asyncio
import random
from collections.abc import Callable, Collection

from server.services.running.active import ActiveRuns
from server.wire.bells import Bells
from server.wire.connection import Wire

LOOK_SECONDS = 30.0
"""Between two looks that no bell has asked for, as one may be lost; a quarter more or less, by
chance, as many workers may have been started at once."""


class Hearing:
    """Listens for bells while there is a place for a run, and rings the claiming here.

    One that has no place does not listen: its bell is to be another's. `listens` says whether.
    """

    def __init__(self, wire: Wire, active: ActiveRuns, ring: Callable[[], None]) -> None:
        self._wire = wire
        self._active = active
        self._ring = ring
        self._pools: frozenset[str] = frozenset()
        self._changed, self._gone = asyncio.Event(), asyncio.Event()
        self.listens = False

    def note_gone(self) -> None:
        """Note that a run has left its place."""
        self._gone.set()

    def listen_to(self, pools: Collection[str]) -> None:
        """Listen to the bells of these pools from now on."""
        if self._pools != frozenset(pools):
            self._pools = frozenset(pools)
            self._changed.set()

    async def run(self) -> None:
        """Listen, forever; the owner cancels it."""
        while True:
            self._changed.clear()
            bells = Bells(self._wire, self._pools)
            try:
                while not self._changed.is_set():
                    await self._listen(bells)
            finally:
                await bells.ignore()

    async def _listen(self, bells: Bells) -> None:
        """Wait for one bell, or for a place."""
        while True:
            self._gone.clear()  # before the look, or one that leaves after it is missed
            if self._active.free:
                break
            await bells.ignore()
            self.listens = False
            await self._gone.wait()
        await bells.hear()
        self.listens = True
        self._ring()  # from here on none is missed; before, one may have been
        await self._wait(bells)

    async def _wait(self, bells: Bells) -> None:
        """Wait for a bell or other pools, for as long as may pass between two looks."""
        waits = [
            asyncio.create_task(bells.wait(look_seconds())),
            asyncio.create_task(self._changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def look_seconds() -> float:
    """Return after how long a worker looks for runs that no bell has told of."""
    return LOOK_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311  no secret
