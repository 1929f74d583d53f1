"""The end of a lease that was over long ago: the machine has slept."""

import asyncio
from pathlib import Path

from server.keeper.lease import END_SECONDS, LeaseTimer
from server.keeper.protocol import boottime
from tests.support.waiting import until

TURNS = 5


async def test_what_another_host_may_have_begun_is_ended_without_waiting_for_words(
    tmp_path: Path,
) -> None:
    over: list[float] = []
    lease = LeaseTimer(tmp_path, lambda: over.append(lease.ends_in))
    now = boottime()
    lease.extend(now - 60, now - END_SECONDS - 1)
    lease.watch()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert over == [0.0]


async def test_its_end_is_told_twice(tmp_path: Path) -> None:
    """What it held has some time then, and none at last."""
    over: list[float] = []
    lease = LeaseTimer(tmp_path, lambda: over.append(lease.ends_in))
    now = boottime()
    lease.extend(now - 60, now - END_SECONDS + 2)
    lease.watch()
    await until(lambda: len(over) > 1)
    assert 0 < over[0] < 2
    assert over[1:] == [0.0]
