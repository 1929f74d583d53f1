"""Noticing when the keeper of a state directory dies, and when another one is there."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from server.keeper.children import ended
from server.keeper.protocol import decode, encode, socket_address
from tests.torture.oracle import History, Interval

LOOK_SECONDS = 0.02
ANSWER_SECONDS = 5.0
HOLD_SECONDS = 1.0
"""How long a server that is well may take to hold the pipes of a keeper that has died."""


class KeeperWatch:
    """Knows the keeper's pid, and writes its deaths down in a History.

    `attended(start, end)` tells whether a server was there, and well, all the time. The keeper
    is only asked who it is: it is neither started nor kept, nor are its runs' pipes held.
    """

    def __init__(
        self, state_dir: Path, history: History, attended: Callable[[float, float], bool]
    ) -> None:
        self.pid: int | None = None
        self._directory = state_dir / "keeper"
        self._history = history
        self._attended = attended

    async def watch(self) -> None:
        """Watch for ever; the owner cancels it."""
        self.pid = await self._another()
        while True:
            await ended(self.pid)
            died_at = time.time()
            self.pid = None
            self._history.keeper_deaths.append(died_at)
            self._history.unheld.append(Interval(died_at, float("inf")))
            self.pid = await self._another()
            self._history.unheld[-1] = self._unheld(died_at)

    async def until_there(self) -> None:
        """Wait until there is a keeper that answers."""
        while self.pid is None:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(LOOK_SECONDS)

    def _unheld(self, died_at: float) -> Interval:
        now = time.time()
        held_at = died_at + HOLD_SECONDS if self._attended(died_at, now) else now
        return Interval(died_at, min(held_at, now))

    async def _another(self) -> int:
        """Wait until there is a keeper; return its pid."""
        while (pid := await self._ask()) is None:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(LOOK_SECONDS)
        return pid

    async def _ask(self) -> int | None:
        """Ask the keeper for its pid; None when there is none that answers."""
        with suppress(OSError, ValueError, KeyError):
            directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
            try:
                reader, writer = await asyncio.open_unix_connection(socket_address(directory))
            finally:
                os.close(directory)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    writer.write(encode({"id": 1, "op": "hello"}))
                    return int(decode(await reader.readline())["pid"])
            finally:
                writer.close()
        return None
