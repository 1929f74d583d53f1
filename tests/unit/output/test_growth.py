"""How far an output has come, where its lines cannot be counted for a while."""

import asyncio
from contextlib import aclosing
from typing import Any, cast

import orjson
import pytest

from server.output.growth import NOTHING_TOLD, CountedGrowth, growth


class Output:
    """An output of 10 bytes on a host that does not answer yet."""

    size = 10
    ended = False

    def __init__(self) -> None:
        self.growth = CountedGrowth()
        self.counted = asyncio.Event()
        self.change = asyncio.Event()

    async def lines_before(self, _offset: int) -> int:
        await self.counted.wait()
        return 3

    async def time_at(self, _offset: int) -> float:
        return 1.0

    async def grown(self, offset: int) -> None:
        if offset >= self.size:
            await self.change.wait()
            raise RuntimeError("its host is away")


async def test_a_change_is_heard_of_while_lines_cannot_be_counted() -> None:
    output = Output()
    told = growth(cast("Any", output), NOTHING_TOLD, grown=output.grown, seconds=0.001)
    async with aclosing(told):
        first = asyncio.ensure_future(anext(told))
        await asyncio.sleep(0)
        output.change.set()
        with pytest.raises(RuntimeError, match="away"):
            await first
    output.change.clear()
    again = growth(cast("Any", output), NOTHING_TOLD, grown=output.grown, seconds=0.001)
    async with aclosing(again):
        next_one = asyncio.ensure_future(anext(again))
        await asyncio.sleep(0)
        output.counted.set()
        frame = await next_one
    assert frame.next == 10
    assert orjson.loads(frame.payload)["lines"] == 3


async def test_an_output_that_ends_with_less_than_was_told_is_told_of_no_more() -> None:
    """As where another viewer had it counted, and the run was given up meanwhile."""
    output = Output()
    output.counted.set()
    told = growth(cast("Any", output), 8, grown=output.grown, seconds=1000)
    async with output.growth._counting:
        following = asyncio.ensure_future(anext(told, None))
        for _ in range(5):
            await asyncio.sleep(0)
        output.size, output.ended = 5, True
    assert await following is None
