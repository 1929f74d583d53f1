"""A run whose output is not at its place, and that its user stops meanwhile."""

from pathlib import Path

from server.keeper.records import ExitRecord
from server.keeper.spool import Spool
from server.models import RunState
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.live import LiveRun
from tests.support.runs import a_run
from tests.unit.services.running.parts import running_parts


class LateKeeper:
    """A keeper that answers when the run was stopped and has ended: it does not have it."""

    def __init__(self, active: ActiveRuns, live: LiveRun) -> None:
        self._active = active
        self._live = live

    async def runs(self) -> set[str]:
        self._live.mark_ended(outcome.given_up("it fails"))
        self._active.remove(self._live)
        return set()


async def test_a_run_that_was_stopped_while_it_is_being_lost_is_not_followed(
    tmp_path: Path,
) -> None:
    """Although what its keeper wrote of it has come back to its place."""
    spool = Spool.of(tmp_path)
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
    live = active.add(a_run(RunState.RUNNING))
    run_id = str(live.run.id)
    spool.create(run_id, b"true")
    spool.write_exit(run_id, ExitRecord(exitcode=0, ended_at=1.0))
    keeper = LateKeeper(active, live)
    await running_parts(tmp_path, active, spool=spool, keeper=keeper).follower.lose(live)
    assert live.log is None
    assert (live.run.state, live.fault) == (RunState.LOST, None)
