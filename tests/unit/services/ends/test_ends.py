"""When it is looked for what follows the ends of runs."""

import asyncio
from collections.abc import Collection
from typing import Any, cast
from uuid import UUID

from server.services.ends.ends import GATHER_SECONDS, LOOK_SECONDS, Ends
from tests.simulation import clock

ENDS = 50


class Looks:
    """The table of ends, in which there is none; it notes when it was looked at."""

    host = "here"

    def __init__(self) -> None:
        self.at: list[float] = []

    async def due(self, _host: str, _limit: int, *, but: Collection[UUID]) -> list[Any]:
        assert not but
        self.at.append(asyncio.get_running_loop().time())
        return []


def test_many_ends_of_workers_are_one_look_and_none_is_passed_over() -> None:
    looks = Looks()
    ends = Ends(cast("Any", looks), cast("Any", looks), cast("Any", None), lambda: None)

    async def end_many() -> None:
        looking = asyncio.create_task(ends.run())
        await asyncio.sleep(1)
        for _ in range(ENDS):
            ends.wake()
            await asyncio.sleep(GATHER_SECONDS / ENDS / 2)
        await asyncio.sleep(1)
        ends.wake()
        await asyncio.sleep(LOOK_SECONDS + 1)
        looking.cancel()

    clock.run(end_many())
    again = 2 + GATHER_SECONDS / 2 + GATHER_SECONDS
    expected = [0, 1 + GATHER_SECONDS, again, again + LOOK_SECONDS]
    assert [round(at, 6) for at in looks.at] == [round(at, 6) for at in expected]
