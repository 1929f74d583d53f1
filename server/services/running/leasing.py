"""The lease of this host, as the servers give it, told to the keeper that ends runs with it."""

import asyncio

from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.services.tasks import Retries

RETRY_SECONDS = 1.0
"""Between two attempts to tell the keeper."""


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
        what = "the keeper is not told of this host's lease"
        retries = Retries(what, seconds=RETRY_SECONDS, passing=(KeeperError,))
        while True:
            await self._changed.wait()
            self._changed.clear()
            await retries.take(self._tell)

    async def _tell(self) -> None:
        if self._newest is not None:
            await self._keeper.lease(*self._newest)
