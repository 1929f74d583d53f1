"""How far an output has come, for viewers who want none of its bytes."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from server.output.cursor import Frame, Grown
from server.output.frames import json_growth
from server.output.shared import Encoded
from server.output.source import Output

GROWTH_SECONDS = 0.1
"""A viewer is told of growth, and lines are counted for all of them, after so long each time."""

NOTHING_TOLD = -1
"""Where a viewer begins: it is told of an output without a byte, too."""


class CountedGrowth:
    """The newest frame that tells how far one output is, made once for all of its viewers."""

    def __init__(self, seconds: float = GROWTH_SECONDS) -> None:
        self._seconds = seconds
        self._frame: Encoded | None = None
        self._fresh_until = 0.0
        self._counting = asyncio.Lock()

    async def beyond(self, output: Output, offset: int) -> Encoded:
        """Return the newest frame; it tells of more than `offset`, which there is."""
        async with self._counting:
            now = asyncio.get_running_loop().time()
            frame = self._frame
            if frame is None or frame.next <= offset or now >= self._fresh_until:
                frame = self._frame = await _encode(output)
                self._fresh_until = now + self._seconds
            return frame


@runtime_checkable
class SharesGrowth(Protocol):
    """An output that is counted once for all of its viewers."""

    growth: CountedGrowth


async def growth(
    output: Output, told: int, *, grown: Grown, seconds: float = GROWTH_SECONDS
) -> AsyncGenerator[Frame, None]:
    """Iterate over how far the output has come, after every `seconds` in which it grew, to its end.

    `told` is what was told last, or NOTHING_TOLD. No byte of the output is read for its text.
    """
    counted = output.growth if isinstance(output, SharesGrowth) else CountedGrowth(seconds)
    while True:
        await grown(told)
        if output.size <= told:
            return
        frame = await _unless_changed(counted.beyond(output, told), grown, seconds)
        if frame.next <= told:
            return  # it was given up meanwhile, and ends with less than was told
        told = frame.next
        yield Frame(frame.payload, text=True, next=told)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await grown(sys.maxsize)  # its end, or a change of its run


async def _unless_changed(
    counting: Coroutine[Any, Any, Encoded], grown: Grown, seconds: float
) -> Encoded:
    """Return what is counted; where that takes longer, as it may on another host, hear of changes.

    What `grown` raises is raised then: nothing is told as long as the lines are not known.
    """
    task = asyncio.create_task(counting, name="count lines")
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            change = asyncio.ensure_future(grown(sys.maxsize))
            try:
                await asyncio.wait({task, change}, return_when=asyncio.FIRST_COMPLETED)
                if change.done():
                    await change
            finally:
                change.cancel()
        return await task
    finally:
        task.cancel()


async def _encode(output: Output) -> Encoded:
    size = output.size
    lines = await output.lines_before(size)
    time = await output.time_at(max(0, size - 1))
    return Encoded(json_growth(size, lines, time), size)
