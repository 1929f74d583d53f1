"""The Runner while its keeper refuses."""

from pathlib import Path
from typing import Any, cast

import pytest

from server.errors import DatabaseUnavailableError
from server.keeper.protocol import KeeperError, StartRequest
from server.keeper.records import Limits
from server.keeper.spool import Spool
from server.models import RunState
from server.services.faults import Faults
from server.services.metrics import Metrics
from server.services.running import runner as runner_module
from server.services.running.active import ActiveRuns
from server.services.running.launch import Launch
from server.services.running.runner import Runner
from server.services.tasks import Tasks, end
from tests.support.runs import a_run
from tests.support.waiting import until


class LostKeeper:
    """A keeper that has just died: each call fails at once."""

    def __init__(self) -> None:
        self.calls = 0

    async def start(self, _: StartRequest) -> bool:
        self.calls += 1
        assert self.calls < 100, "the Runner asks without end"
        raise KeeperError("the keeper is lost")


def a_runner(
    directory: Path, active: ActiveRuns, tasks: Tasks, *, keeper: object = None, runs: object = None
) -> Runner:
    unused = cast("Any", None)
    return Runner(
        host="host",
        launch=Launch(  # noqa: S604
            shell="/bin/sh",
            directory=directory,
            environment={},
            limits=Limits(),
        ),
        spool=Spool(directory),
        keeper=cast("Any", keeper),
        watch=unused,
        archiver=unused,
        runs=cast("Any", runs),
        outputs=unused,
        active=active,
        tasks=tasks,
        metrics=Metrics(),
        faults=Faults(Metrics()),
    )


async def test_a_run_that_the_keeper_does_not_take_waits_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again now and then; nothing else is held up by it."""
    monkeypatch.setattr(runner_module, "KEEPER_RETRY_SECONDS", 0.01)
    keeper, tasks = LostKeeper(), Tasks()
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
    runner = a_runner(tmp_path, active, tasks, keeper=keeper)
    dispatching = tasks.start(runner.dispatch(), "dispatch")
    live = await runner.take_up(a_run())
    await until(lambda: keeper.calls >= 5)
    await end(dispatching)
    assert not tasks.failed.is_set()
    assert (live.run.state, active.queued, active.running) == (RunState.QUEUED, 1, 0)


async def test_a_stop_that_cannot_be_stored_costs_a_queued_run_nothing(tmp_path: Path) -> None:
    class Away:
        async def finish_queued(self, *_: object) -> bool:
            raise DatabaseUnavailableError("It is away.")

    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=3)
    runner = a_runner(tmp_path, active, Tasks(), runs=Away())
    queued = [active.enqueue(a_run()) for _ in range(3)]
    with pytest.raises(DatabaseUnavailableError):
        await runner.stop(queued[0].run.id, signal="SIGTERM", grace_seconds=1.0)
    assert active.next is queued[0]
    assert (active.queued, active.running) == (3, 0)
