"""Waiting for what cannot be awaited: something outside of this process becoming true."""

import asyncio
from collections.abc import Awaitable, Callable

SECONDS = 20.0
PAUSE_SECONDS = 0.01


async def until(true: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Return as soon as `true()`; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(PAUSE_SECONDS)


async def until_true(true: Callable[[], Awaitable[object]], seconds: float = SECONDS) -> None:
    """Return as soon as `await true()`; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(PAUSE_SECONDS)
