"""Removing, later, what could not be removed of a run when its end was stored."""

import asyncio
from contextlib import suppress

from server.keeper.spool import Spool

SWEEP_SECONDS = 60.0


async def sweep(spool: Spool) -> None:
    """Sweep the spool now and every `SWEEP_SECONDS`, for ever; the service's owner cancels it."""
    while True:
        with suppress(OSError):  # no descriptor is left, say: the next sweep will have one
            await asyncio.to_thread(spool.sweep)
        await asyncio.sleep(SWEEP_SECONDS)
