"""The Runner while its keeper refuses, and what it asks before a run that ends with the lease."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.definition import OnUnreachable, Options
from server.errors import RunNotFoundError
from server.keeper.protocol import KeeperError, KeeperLeaseError, StartRequest, boottime
from server.models import Run, RunState
from server.services import faults
from server.services.ledger.ledger import StartData
from server.services.running import runner as module
from server.services.running.active import ActiveRuns
from server.services.tasks import Tasks, cancel_and_wait
from tests.support.runs import a_run
from tests.support.waiting import patience, until
from tests.unit.services.running.parts import running_parts

NOW = datetime(2026, 1, 2, tzinfo=UTC)


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


class LeaseKeeper:
    """A keeper that starts no run that ends with the lease."""

    def __init__(self) -> None:
        self.requests: list[StartRequest] = []

    async def start(self, request: StartRequest) -> bool:
        self.requests.append(request)
        if request.leased_at is not None:
            raise KeeperLeaseError("there is no lease")
        raise KeeperError("the keeper is lost")


class LeaseLedger(PlainLedger):
    """The ledger of runs that may have become other ones."""

    def __init__(self, become: Callable[[Run], Run] = lambda run: run) -> None:
        self.runs: dict[object, Run] = {}
        self.asked_at: list[float] = []
        self._become = become

    async def get(self, run_id: object) -> Run:
        self.asked_at.append(boottime())
        return self._become(self.runs[run_id])


def a_leased_run(ledger: LeaseLedger) -> Run:
    run = replace(a_run(), options=Options(on_unreachable=OnUnreachable.RETRY))
    ledger.runs[run.id] = run
    return run


async def test_a_run_without_a_lease_is_asked_for_again_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is asked each time, and before the moment from which the lease must stand."""
    monkeypatch.setattr(faults, "PAUSE_SECONDS", (0.01,))
    keeper, tasks, ledger = LeaseKeeper(), Tasks(), LeaseLedger()
    active = ActiveRuns(max_concurrent_runs=3, max_runs_per_command=1)
    parts = running_parts(tmp_path, active, tasks, keeper=keeper, ledger=ledger, has_lease=True)
    live = await parts.runner.dispatch(a_leased_run(ledger))
    assert live is not None
    assert active.obstacle.reason is None
    await until(lambda: len(keeper.requests) > 1)
    assert "there is no lease" in str(live.view.run.reason)
    for request, asked_at in zip(keeper.requests, ledger.asked_at, strict=False):
        assert request.leased_at is not None
        assert request.leased_at <= asked_at
    await parts.runner.dispatch(a_run())
    assert any(request.leased_at is None for request in keeper.requests)
    await tasks.cancel()


async def test_a_host_without_a_lease_binds_no_run_to_it(tmp_path: Path) -> None:
    keeper, ledger = LeaseKeeper(), LeaseLedger()
    active = ActiveRuns(max_concurrent_runs=3, max_runs_per_command=1)
    parts = running_parts(tmp_path, active, keeper=keeper, ledger=ledger)
    await parts.runner.dispatch(a_leased_run(ledger))
    assert [request.leased_at for request in keeper.requests] == [None]
    assert not ledger.asked_at


def deleted(run: Run) -> Run:
    raise RunNotFoundError.of(run.id)


@pytest.mark.parametrize(
    "become",
    [
        lambda run: replace(run, state=RunState.LOST, end_time=NOW),
        lambda run: replace(run, epoch=run.epoch + 1),
        deleted,
    ],
)
async def test_a_run_that_was_given_up_is_not_started(
    tmp_path: Path, become: Callable[[Run], Run]
) -> None:
    """As where the host stood still between its claim and its start."""
    keeper, ledger = LeaseKeeper(), LeaseLedger(become)
    active = ActiveRuns(max_concurrent_runs=3, max_runs_per_command=1)
    parts = running_parts(tmp_path, active, keeper=keeper, ledger=ledger, has_lease=True)
    run = a_leased_run(ledger)
    live = await parts.runner.dispatch(run)
    assert not keeper.requests
    assert active.get(run.id) is None
    assert active.free == 3
    assert live is not None
    assert live.view.run.state is RunState.LOST, "who waits for its start waits no more"
    async with patience():
        assert [view async for view in live.until_started()] == []
