"""The Runner while its keeper refuses."""

import asyncio
from pathlib import Path

import pytest

from server.keeper.protocol import KeeperError, StartRequest
from server.models import Run, RunState
from server.services.ledger.ledger import StartData
from server.services.running import runner as module
from server.services.running.active import ActiveRuns
from server.services.tasks import Tasks, cancel_and_wait
from tests.support.runs import a_run
from tests.support.waiting import until
from tests.unit.services.running.parts import running_parts


class LostKeeper:
    """A keeper that has just died: each call fails at once."""

    def __init__(self) -> None:
        self.calls = 0

    async def start(self, _: StartRequest) -> bool:
        self.calls += 1
        raise KeeperError("the keeper is lost")


class PlainLedger:
    """The ledger of runs that are started with nothing beyond their rows."""

    async def start_of(self, _: Run) -> StartData:
        return StartData({}, None)


async def test_a_run_that_the_keeper_does_not_take_waits_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again now and then; nothing else is held up by it."""
    monkeypatch.setattr(module, "KEEPER_RETRY_SECONDS", 0.01)
    keeper, tasks = LostKeeper(), Tasks()
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
    runner = running_parts(tmp_path, active, tasks, keeper=keeper, ledger=PlainLedger()).runner
    dispatching = tasks.start(runner.dispatch_queue(), "dispatch")
    live = await runner.dispatch(a_run())
    assert live is not None
    await until(lambda: keeper.calls >= 5)
    await cancel_and_wait(dispatching)
    assert not tasks.failed.is_set()
    assert (live.run.state, active.queued, active.running) == (RunState.QUEUED, 1, 0)


async def test_a_keeper_that_takes_no_run_is_not_asked_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for the run that came, once for the head of the queue; then after the pause."""
    monkeypatch.setattr(module, "KEEPER_RETRY_SECONDS", 1000)
    keeper, tasks = LostKeeper(), Tasks()
    active = ActiveRuns(max_concurrent_runs=2, max_runs_per_command=1)
    runner = running_parts(tmp_path, active, tasks, keeper=keeper, ledger=PlainLedger()).runner
    dispatching = tasks.start(runner.dispatch_queue(), "dispatch")
    for _ in range(3):
        await runner.dispatch(a_run())
        for _ in range(20):
            await asyncio.sleep(0)
    assert keeper.calls == 2
    assert active.queued == 3
    await cancel_and_wait(dispatching)
