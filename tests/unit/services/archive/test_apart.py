"""How many statements the ends of many runs take."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from server.keeper.records import ExitRecord
from server.models import Advance, RunEnd, RunState
from server.services.archive.archiver import Archiver
from server.services.archive.followed import Followed
from server.services.faults import Faults
from server.services.metrics import Metrics
from server.services.running.live import LiveRun
from server.settings.groups import ArchiveSettings
from tests.simulation import clock
from tests.simulation.keeper import Log, Spool
from tests.support.runs import a_run

RUNS = 9
METRICS = Metrics()


class Ledger:
    """Takes what is appended, and notes when, and of how many runs."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, int]] = []

    async def append(self, advances: Sequence[Advance]) -> set[Any]:
        self.asked.append((asyncio.get_running_loop().time(), len(advances)))
        return {advance.run_id for advance in advances}

    async def positions(self, _: Sequence[Any]) -> dict[Any, Any]:
        return {}


def asked_of(*, apart_seconds: float) -> list[tuple[float, int]]:
    """Return when statements are made, of how many runs, where one ends after the other."""
    ledger = Ledger()
    archiver = Archiver(
        cast("Any", ledger),
        ArchiveSettings(),
        metrics=METRICS,
        faults=Faults(METRICS),
        waited=lambda: 0.0,
        apart_seconds=apart_seconds,
    )

    async def end_one() -> None:
        run = replace(a_run(), state=RunState.RUNNING)
        log = Log(Spool(ended=ExitRecord(exitcode=0, signal=None, cause=None, output_bytes=0)))
        end = RunEnd(RunState.SUCCEEDED, run.created_at, exitcode=0)
        followed = await archiver.follow(LiveRun(run), cast("Any", log), lambda *_: end)
        assert followed is Followed.ENDED

    async def end_all() -> None:
        archiving = asyncio.create_task(archiver.run())
        await asyncio.sleep(1)
        ending = []
        for _ in range(RUNS):
            ending.append(asyncio.create_task(end_one()))
            await asyncio.sleep(0.25)
        await asyncio.gather(*ending)
        await asyncio.sleep(10)
        await end_one()
        archiving.cancel()

    clock.run(end_all())
    return ledger.asked


def test_the_first_of_many_ends_is_stored_at_once_and_others_together() -> None:
    asked = asked_of(apart_seconds=0.9)
    times = [round(at, 6) for at, _ in asked]
    assert times[:4] == [1.0, 1.9, 2.8, 3.7]
    assert [count for _, count in asked] == [1, 3, 4, 1, 1]


def test_where_a_statement_costs_little_each_end_is_stored_at_once() -> None:
    assert [count for _, count in asked_of(apart_seconds=0.0)] == [1] * (RUNS + 1)
