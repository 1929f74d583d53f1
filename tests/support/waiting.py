"""Waiting for events, however busy the machine is: no test knows how long anything takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

SECONDS = 100.0  # less than pytest's own time-out, so that what was waited for is told
PAUSE_SECONDS = 0.01

_T = TypeVar("_T")


def patience() -> asyncio.Timeout:
    """Bound a wait for what surely comes: it fails when that does not come at all."""
    return asyncio.timeout(SECONDS)


async def until(true: Callable[[], _T | None], seconds: float = SECONDS) -> _T:
    """Return the value of `true()` as soon as it is true; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not (value := true()):  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(PAUSE_SECONDS)
    return value


async def until_true(true: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as `await true()`; TimeoutError when it does not become so."""
    async with patience():
        while not await true():  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(PAUSE_SECONDS)
