"""The Runner while its keeper refuses."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from server.keeper.protocol import KeeperError, StartRequest
from server.keeper.spool import Limits, Spool
from server.models import Run, RunState
from server.services import runner as runner_module
from server.services.active import ActiveRuns
from server.services.faults import Faults
from server.services.launch import Launch
from server.services.metrics import Metrics
from server.services.runner import Runner
from server.services.tasks import Tasks, end
from tests.support.waiting import until


class LostKeeper:
    """A keeper that has just died: each call fails at once."""

    def __init__(self) -> None:
        self.calls = 0

    async def start(self, _: StartRequest) -> bool:
        self.calls += 1
        assert self.calls < 100, "the Runner asks without end"
        raise KeeperError("the keeper is lost")


def queued_run() -> Run:
    now = datetime.now(UTC)
    state = RunState.QUEUED
    return Run(uuid4(), uuid4(), state, now, now, None, None, None, None, "true", 0, 0, 1, "host")


async def test_a_run_that_the_keeper_does_not_take_waits_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again now and then; nothing else is held up by it."""
    monkeypatch.setattr(runner_module, "KEEPER_RETRY_SECONDS", 0.01)
    keeper, tasks, unused = LostKeeper(), Tasks(), cast("Any", None)
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
    runner = Runner(
        host="host",
        launch=Launch(  # noqa: S604
            shell="/bin/sh",
            directory=tmp_path,
            environment={},
            limits=Limits(),
        ),
        spool=Spool(tmp_path),
        keeper=cast("Any", keeper),
        watch=unused,
        archiver=unused,
        runs=unused,
        outputs=unused,
        active=active,
        tasks=tasks,
        metrics=Metrics(),
        faults=Faults(Metrics()),
    )
    dispatching = tasks.start(runner.dispatch(), "dispatch")
    live = await runner.take_up(queued_run())
    await until(lambda: keeper.calls >= 5)
    await end(dispatching)
    assert not tasks.failed.is_set()
    assert (live.run.state, active.queued, active.running) == (RunState.QUEUED, 1, 0)
