"""What becomes of claims whose answers are lost."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from server.errors import DatabaseUnavailableError
from server.models import Run
from server.services.running import claiming as module
from server.services.running.active import ActiveRuns
from server.services.running.claiming import Claiming
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
