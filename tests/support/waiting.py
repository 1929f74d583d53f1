"""Waiting for what cannot be awaited: something outside of this process becoming true."""

import asyncio
from collections.abc import Callable

SECONDS = 20.0
PAUSE_SECONDS = 0.01


async def until(true: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Return as soon as `true()`; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(PAUSE_SECONDS)
