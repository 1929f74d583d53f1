"""Waiting for events: as long as the test may last, however busy the machine is."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

MARGIN_SECONDS = 10.0
"""So long before pytest's own time-out a wait fails: then it is told what was waited for."""

PAUSE_SECONDS = 0.01

_T = TypeVar("_T")
_ends_at = math.inf


def begin(seconds: float) -> None:
    """Note that a test begins, which may last so long; 0: for ever."""
    global _ends_at  # noqa: PLW0603  one test at a time
    _ends_at = time.monotonic() + seconds - MARGIN_SECONDS if seconds else math.inf


def remaining() -> float | None:
    """Return for how many seconds the test may still wait, None: for ever."""
    return None if math.isinf(_ends_at) else max(_ends_at - time.monotonic(), 0)


def patience() -> asyncio.Timeout:
    """Bound a wait for what surely comes: it fails when that does not come at all."""
    return asyncio.timeout(remaining())


async def until(true: Callable[[], _T | None], seconds: float | None = None) -> _T:
    """Return the value of `true()` as soon as it is true; TimeoutError when it does not become so.

    `seconds` is for those who go on then.
    """
    async with patience() if seconds is None else asyncio.timeout(seconds):
        while not (value := true()):  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(PAUSE_SECONDS)
    return value


async def until_true(true: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as `await true()`; TimeoutError when it does not become so."""
    async with patience():
        while not await true():  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(PAUSE_SECONDS)
