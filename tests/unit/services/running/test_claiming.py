"""What becomes of claims whose answers are lost."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import pytest

from server.errors import DatabaseUnavailableError
from server.models import Run
from server.services.running import claiming as module
from server.services.running.active import ActiveRuns
from server.services.running.claiming import Claiming
from tests.simulation import clock
from tests.support.runs import a_run


class Host:
    """A host, and its ledger, which counts how often it is asked for the active runs."""

    def __init__(self) -> None:
        self.stored: list[Run] = []
        self.dispatched: list[Run] = []
        self.asked = 0
        self.hears = False
        self.claiming = Claiming(
            self._claim,
            ledger=cast("Any", self),
            active=ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1),
            runner=cast("Any", self),
        )

    async def _claim(self, _limit: int) -> Sequence[Run]:
        if not self.hears:
            raise DatabaseUnavailableError
        return []

    async def active(self) -> Sequence[Run]:
        self.asked += 1
        return self.stored

    async def dispatch(self, run: Run) -> None:
        self.dispatched.append(run)


@pytest.mark.parametrize("seconds", module.ASK_AGAIN_SECONDS)
async def test_what_is_claimed_long_after_an_answer_was_waited_for_is_started(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    host, now = Host(), 0.0
    monkeypatch.setattr(module, "_now", lambda: now)
    with pytest.raises(DatabaseUnavailableError):
        await host.claiming.step()
    host.hears = True
    await host.claiming.step()
    assert host.dispatched == []

    now = seconds - 1
    await host.claiming.step()
    host.stored = [replace(a_run(), pool="build"), a_run()]
    await host.claiming.step()
    assert host.dispatched == []
    now = seconds
    await host.claiming.step()
    assert host.dispatched == host.stored[:1]


async def test_a_host_that_heard_all_answers_asks_for_its_active_runs_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, now = Host(), 0.0
    monkeypatch.setattr(module, "_now", lambda: now)
    host.hears = True
    await host.claiming.step()
    assert host.asked == 0
    host.hears = False
    with pytest.raises(DatabaseUnavailableError):
        await host.claiming.step()
    host.hears = True
    for now in (0.0, 1.0, *module.ASK_AGAIN_SECONDS, 1e9):  # noqa: B007  it is what the clock says
        await host.claiming.step()
    assert host.asked == 1 + len(module.ASK_AGAIN_SECONDS)


def test_what_is_claimed_at_once_is_started_together() -> None:
    runs = [a_run() for _ in range(3)]

    class Starting(Host):
        def __init__(self) -> None:
            super().__init__()
            self.all_there = asyncio.Event()

        async def _claim(self, _limit: int) -> Sequence[Run]:
            return runs

        async def dispatch(self, run: Run) -> None:
            await super().dispatch(run)
            if len(self.dispatched) == len(runs):
                self.all_there.set()
            await self.all_there.wait()

    async def claim() -> None:
        host = Starting()
        await host.claiming.step()
        assert host.dispatched == runs

    clock.run(claim())


def claimed_at(heard: Iterable[bool]) -> list[float]:
    """Return when a host claims whose claims are heard, or not, in this order."""
    answers, times = iter(heard), list[float]()

    class Told(Host):
        async def _claim(self, _limit: int) -> Sequence[Run]:
            times.append(asyncio.get_running_loop().time())
            self.hears = next(answers)
            return await super()._claim(_limit)

    async def claim() -> None:
        await Told().claiming.run()

    with suppress(RuntimeError):  # that the answers are at their end
        clock.run(claim())
    return times


def test_a_claim_that_nobody_hears_is_made_again_at_once_and_then_more_rarely() -> None:
    times = claimed_at([False] * 6 + [True, False, False])
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0, module.LOOK_SECONDS, 0.1, 0.2])
