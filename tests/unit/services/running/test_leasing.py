"""The keeper is told of the newest lease, however slow or lost it is."""

import asyncio
import logging
from typing import Any, cast

import pytest

from server.keeper.protocol import KeeperError
from server.services.running import leasing as module
from server.services.running.leasing import Leasing
from tests.support.waiting import until


class Keeper:
    """A keeper that takes a lease once it is let, and is lost at first."""

    def __init__(self, failures: int = 0) -> None:
        self.told: list[tuple[float, float]] = []
        self.free = asyncio.Event()
        self.failures = failures

    async def lease(self, since: float, until: float) -> None:
        if self.failures:
            self.failures -= 1
            raise KeeperError("the keeper is lost")
        self.told.append((since, until))
        await self.free.wait()


async def test_a_slow_keeper_is_told_of_the_newest_lease_next() -> None:
    keeper = Keeper()
    leasing = Leasing(cast("Any", keeper))
    telling = asyncio.create_task(leasing.run())
    leasing.note(1, 2)
    await until(lambda: keeper.told)
    for end in range(3, 9):
        leasing.note(1, end)
    keeper.free.set()
    await until(lambda: len(keeper.told) > 1)
    assert keeper.told == [(1, 2), (1, 8)]
    telling.cancel()
    await asyncio.wait([telling])


async def test_a_keeper_that_is_lost_is_told_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    keeper = Keeper(failures=3)
    leasing = Leasing(cast("Any", keeper))
    telling = asyncio.create_task(leasing.run())
    leasing.note(1, 2)
    await until(lambda: keeper.told)
    assert [one.levelno for one in caplog.records] == [logging.WARNING]
    telling.cancel()
    await asyncio.wait([telling])
