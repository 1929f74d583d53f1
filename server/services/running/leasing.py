"""The lease of this host, as the servers give it, told to the keeper that ends runs with it."""

import asyncio
import logging

from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError

RETRY_SECONDS = 1.0
"""Between two attempts to tell the keeper."""

logger = logging.getLogger(__name__)


class Leasing:
    """Tells the keeper of the newest lease: it may be slow, and must keep nobody from the next."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper
        self._newest: tuple[float, float] | None = None
        self._changed = asyncio.Event()

    def note(self, since: float, until: float) -> None:
        """Note since when and until when the host has its lease, in seconds of CLOCK_BOOTTIME."""
        self._newest = (since, until)
        self._changed.set()

    async def run(self) -> None:
        """Tell the keeper, forever; the owner cancels it."""
        problem = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._newest is None:
                continue
            try:
                await self._keeper.lease(*self._newest)
                problem = None
            except KeeperError as error:
                if str(error) != problem:
                    problem = str(error)
                    logger.warning("the keeper is not told of this host's lease: %s", problem)
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()
