"""Who writes in the spools beside the keeper: this server, or the keeper on its behalf."""

import asyncio
from contextlib import suppress
from typing import Protocol

from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError, KeeperRefusedError
from server.keeper.spool import Spool


class SpoolCare(Protocol):
    """Removes the spools of runs that have ended, and notes what is to be known there."""

    async def remove(self, run_id: str) -> None:
        """Remove a run's spool and work directory; what stays waits for `sweep`."""

    async def sweep(self) -> None:
        """Remove what earlier removals left."""

    async def give_up(self, run_id: str) -> None:
        """Note, for later servers too, that a run is to end even if its output cannot be stored.

        Raises:
            OSError: it could not be noted.
        """


class OwnSpools:
    """Of a server that owns the spools; removals run in a thread."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def remove(self, run_id: str) -> None:
        """Remove a run's spool and work directory; what stays waits for `sweep`."""
        await asyncio.to_thread(self._spool.remove, run_id)

    async def sweep(self) -> None:
        """Remove what earlier removals left."""
        await asyncio.to_thread(self._spool.sweep)

    async def give_up(self, run_id: str) -> None:
        """Note that a run is to end even if its output cannot be stored.

        Raises:
            OSError: it could not be noted.
        """
        self._spool.give_up(run_id)


class KeepersSpools:
    """Of a server that may only read the spools: it asks the keeper, again if that is away."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper
        self._unremoved: set[str] = set()

    async def remove(self, run_id: str) -> None:
        """Remove a run's spool and work directory; what stays waits for `sweep`."""
        self._unremoved.add(run_id)
        with suppress(KeeperError):  # it is away for a moment
            await self._remove(run_id)

    async def sweep(self) -> None:
        """Remove what earlier removals left.

        Raises:
            OSError: not now.
        """
        try:
            for run_id in list(self._unremoved):
                await self._remove(run_id)
            await self._keeper.sweep()
        except KeeperError as error:
            raise OSError(f"the keeper does not remove what runs left: {error}") from error

    async def _remove(self, run_id: str) -> None:
        with suppress(KeeperRefusedError):  # it goes on after all: it will be asked for again
            await self._keeper.remove(run_id)
        self._unremoved.discard(run_id)

    async def give_up(self, run_id: str) -> None:
        """Note that a run is to end even if its output cannot be stored.

        Raises:
            OSError: it could not be noted.
        """
        try:
            await self._keeper.give_up(run_id)
        except KeeperError as error:
            raise OSError(str(error)) from error
