"""What is done for one run: again after a pause, unless it has ended meanwhile."""

from functools import partial

import pytest

from server.services import faults as module
from server.services.faults import Faults
from server.services.metrics import Metrics
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.live import LiveRun
from server.services.running.run_tasks import RunTasks
from server.services.tasks import Tasks
from tests.support.runs import a_run
from tests.support.waiting import until

BROKEN = OSError(5, "Input/output error")


def run_tasks(active: ActiveRuns, tasks: Tasks) -> RunTasks:
    return RunTasks(active, tasks, Faults(Metrics()))


async def test_a_step_that_failed_is_taken_again_for_a_run_that_is_still_active(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that has ended meanwhile, or was forgotten, is left alone."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", (0.01,))
    active, tasks = ActiveRuns(max_concurrent_runs=3, max_runs_per_command=1), Tasks()
    again = list[LiveRun]()
    ended, forgotten, live = lives = [active.add(a_run()) for _ in range(3)]
    for each in lives:
        step = partial(again.append, each)
        run_tasks(active, tasks).start_again(each, "it fails", BROKEN, step)
    assert live.fault == "it fails: Input/output error"
    ended.mark_ended(outcome.spool_lost())
    active.remove(forgotten)
    await until(lambda: again)
    await tasks.cancel()
    assert again == [live]


async def test_what_a_task_of_one_run_dies_of_is_reported_and_ends_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def die() -> None:
        raise ZeroDivisionError

    active, tasks = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1), Tasks()
    live = active.add(a_run())
    run_tasks(active, tasks).start(live, "follow", die())
    await until(lambda: "its task failed (follow): ZeroDivisionError" in caplog.text)
    assert not tasks.failed.is_set()
