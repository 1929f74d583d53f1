"""Ends that are stored twice, by a user's stop and by what goes on meanwhile."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from server.errors import RunNotFoundError
from server.keeper.records import ExitRecord
from server.keeper.spool import Spool
from server.models import Advance, Position, Run, RunEnd, RunState
from server.services.metrics import Metrics
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.live import ended_run
from tests.support.runs import a_run
from tests.unit.services.running.parts import running_parts


class OnceLedger:
    """A database that takes the first end of a run, and knows it from then on."""

    def __init__(self) -> None:
        self.ended: Advance | None = None
        self.deleted = False

    async def append(self, advances: list[Advance]) -> set[UUID]:
        if self.ended is not None:
            return set()
        self.ended = advances[0]
        return {advances[0].run_id}

    async def positions(self, run_ids: list[UUID]) -> dict[UUID, Position]:
        assert self.ended is not None
        assert self.ended.end is not None
        return {run_ids[0]: Position(self.ended.epoch, 0, 0, self.ended.end.state)}

    async def get(self, run_id: UUID) -> Run:
        """Return the run as it is stored, unless it was deleted meanwhile."""
        if self.deleted:
            raise RunNotFoundError.of(run_id)
        assert self.ended is not None
        assert self.ended.end is not None
        return ended_run(a_run(RunState.RUNNING), self.ended.end)


async def test_a_run_that_was_stopped_while_it_is_being_lost_ends_once(tmp_path: Path) -> None:
    """With the end that its user was shown first; it is counted once."""
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
    metrics = Metrics()
    parts = running_parts(tmp_path, active, ledger=OnceLedger(), metrics=metrics)
    live = active.add(a_run(RunState.RUNNING))
    await parts.finisher.finish_now(live, outcome.given_up("it fails"))
    await parts.finisher.finish(live, outcome.spool_lost())
    assert live.run.reason == "it was given up: it fails"
    assert len(active) == 0
    (counted,) = [
        sample.value
        for metric in metrics.runs_ended.collect()
        for sample in metric.samples
        if sample.name == "tailrun_runs_ended_total"
    ]
    assert counted == 1


async def test_a_run_that_is_deleted_while_its_end_is_looked_up_is_forgotten(
    tmp_path: Path,
) -> None:
    """It had ended before, and its place must not be held for good."""
    active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
    ledger = OnceLedger()
    parts = running_parts(tmp_path, active, ledger=ledger)
    await parts.finisher.finish_now(active.add(a_run(RunState.RUNNING)), outcome.spool_lost())
    ledger.deleted = True
    late = active.add(a_run(RunState.RUNNING))
    await parts.finisher.finish(late, outcome.ended_before())
    assert (len(active), late.run.state) == (0, RunState.RUNNING)


async def test_a_run_that_was_given_up_has_ended_as_it_is_stored(tmp_path: Path) -> None:
    """However its process has ended meanwhile: who watches it is told no other end."""
    active, spool = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1), Spool.of(tmp_path)
    parts = running_parts(tmp_path, active, spool=spool)
    live = active.add(a_run(RunState.RUNNING))
    spool.create(str(live.run.id), b"true")
    spool.write_exit(str(live.run.id), ExitRecord(exitcode=0, ended_at=1.0, output_bytes=0))
    assert parts.finisher.end_of(live.run).state is RunState.SUCCEEDED
    given_up = RunEnd(RunState.LOST, datetime(2026, 1, 2, tzinfo=UTC), reason="its host was away")
    live.mark_lost(ended_run(live.run, given_up))
    assert parts.finisher.end_of(live.run) == given_up
