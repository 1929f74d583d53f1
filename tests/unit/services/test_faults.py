"""Postponed runs: what is reported of them, and when they are tried again."""

import errno
from uuid import uuid4

import pytest

from server.errors import DatabaseRefusedError
from server.models import RunState
from server.services import faults as module
from server.services.faults import Faults
from server.services.metrics import Metrics
from server.services.running.live import LiveRun
from tests.support.runs import a_run


def live_run() -> LiveRun:
    return LiveRun(a_run(RunState.RUNNING))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DatabaseRefusedError("The database refuses it: no."), "The database refuses it: no"),
        (OSError(errno.EACCES, "Permission denied", "/secret/path"), "Permission denied"),
        (RuntimeError("/secret/path"), "RuntimeError"),
    ],
)
def test_everybody_is_told_the_cause_and_no_path(error: Exception, told: str) -> None:
    live, faults = live_run(), Faults(Metrics())
    change = live.change
    faults.postpone(live, "it cannot be followed now", error)
    assert change.is_set()
    assert str(live.view.run.reason).startswith(f"it cannot be followed now: {told}")
    assert "secret" not in str(live.view.run.reason)
    assert live.run.reason is None


def test_it_is_tried_again_less_and_less_often_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live, metrics = live_run(), Metrics()
    faults = Faults(metrics)
    pauses = [faults.postpone(live, "it fails", OSError(5, "so")) for _ in range(9)]
    assert pauses == [*module.PAUSE_SECONDS, module.PAUSE_SECONDS[-1], module.PAUSE_SECONDS[-1]]
    assert len(caplog.records) == 1
    assert metrics.registry.get_sample_value("tailrun_run_faults_total") == 9
    live.mark_stopping()
    assert faults.postpone(live, "it fails", OSError(5, "so")) == module.GIVEN_UP_PAUSE_SECONDS
    faults.resolve(live)
    assert (live.fault, live.given_up, live.view.run.reason) == (None, False, None)
    assert faults.postpone(live, "it fails", OSError(5, "so")) == module.PAUSE_SECONDS[0]


def test_a_postponed_run_is_named_as_long_as_it_is() -> None:
    lives, faults = [live_run() for _ in range(5)], Faults(Metrics())
    for live in lives:
        faults.postpone(live, "it fails", OSError(5, "so"))
    assert faults.problem().startswith("5 postponed")
    assert str(lives[2].run.id) in faults.problem()
    assert str(lives[3].run.id) not in faults.problem()
    for live in lives:
        faults.forget(live)
    assert faults.problem() == "ok"


def test_a_defect_is_logged_with_where_it_came_from(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults(Metrics())
    faults.report(uuid4(), "its task failed", ZeroDivisionError("here"))
    [record] = caplog.records
    assert record.exc_info is not None
