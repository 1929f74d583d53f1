"""What a server takes up of those before it, and what it clears away."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from server.errors import DatabaseRefusedError
from server.keeper.failpoints import failpoint
from server.keeper.records import ProcessRecord
from server.keeper.spool import Spool
from server.models import Position, Run, RunState
from server.repositories.database.halving import in_parts
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.faults import Faults, cause, log_fault
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.live import LiveRun
from server.services.running.runner import Runner
from server.services.tasks import forever

UNCONFIRMED_SECONDS = 60.0
"""Age at which a queued run that nobody here knows of cannot be one that is just being stored."""

SWEEP_SECONDS = 60.0
"""Between two tries to remove what could not be removed of a run when its end was stored."""

UNKNOWN = "spool is kept: the database does not know its run (docs/operations.md)"
ANOTHERS = "spool is kept: its run belongs to another host identity (docs/operations.md)"

ELSEWHERE = "they stay as they are until somebody stops them (docs/operations.md)"

logger = logging.getLogger(__name__)


class Recovery:
    """Finds the runs and spools that other servers of this host left behind."""

    def __init__(
        self,
        *,
        host: str,
        spool: Spool,
        active: ActiveRuns,
        runner: Runner,
        faults: Faults,
    ) -> None:
        self._host = host
        self._spool = spool
        self._active = active
        self._runner = runner
        self._faults = faults
        self._shown: dict[UUID, LiveRun] = {}

    def show(self) -> bool:
        """Let viewers follow the runs whose spools are here, until `recover` can ask for them.

        Left out are those that a server of an older version started: whose they are is not told.
        Returns whether there are any.
        """
        for run_id in self._spool.run_ids():
            try:
                failpoint("recovery.shown")
                self._show(run_id)
            except Exception as error:
                log_fault(run_id, f"run cannot be shown: {cause(error)}", error)
        return bool(self._shown)

    def _show(self, run_id: str) -> None:
        process = self._spool.read_process(run_id)
        if process is not None and process.label:
            live = LiveRun(self._run(run_id, process))
            self._runner.show(live)
            self._active.insert(live)
            self._shown[live.run.id] = live

    async def recover(self, runs: RunRepository, outputs: OutputRepository) -> None:
        """Take up every run that the database has as active on this host.

        A run with a spool is adopted, whatever became of it; a queued one without one never
        started and is queued again; a running one without spool is lost. Nobody else may store
        runs of this host meanwhile. One whose row the database does not let be written is taken
        up later; it can be watched and stopped meanwhile.

        Raises:
            DatabaseUnavailableError: no run was taken up; it may be done again.
        """
        stored = await runs.active(self._host)
        positions, refused = await self._take_over(runs, stored)
        failpoint("recovery.taken_over")
        spooled = set(self._spool.run_ids())
        orphans = spooled - {str(run.id) for run in stored}
        known = await outputs.positions([UUID(run_id) for run_id in orphans])
        taken = [positions[run.id].of(run) for run in stored if run.id in positions]
        marks = await self._marks(outputs, [run for run in taken if str(run.id) in spooled])
        await self._sweep(orphans, known)
        for run in sorted(taken, key=lambda run: (run.created_at, run.id)):
            self._go_on(self._known(run), marks.get(run.id, ()))
        for run, error in refused:
            live = self._known(run)
            self._faults.postpone(live, "its row cannot be written now", error)
            self._runner.take_over_later(live, self._go_on)
        for live in self._shown.values():
            self._runner.leave(live)
        self._shown.clear()
        await self._tell_of_others(runs)

    async def _take_over(
        self, runs: RunRepository, stored: Sequence[Run]
    ) -> tuple[Mapping[UUID, Position], list[tuple[Run, DatabaseRefusedError]]]:
        """Take runs over; return where they stand, and those whose rows cannot be written."""
        refused: list[tuple[Run, DatabaseRefusedError]] = []

        async def take_over(part: Sequence[Run]) -> dict[UUID, Position]:
            return await runs.take_over([run.id for run in part], self._host)

        parts = await in_parts(stored, take_over, lambda *one: refused.append(one))
        return {run_id: found for part in parts for run_id, found in part.items()}, refused

    async def _marks(
        self, outputs: OutputRepository, runs: Collection[Run]
    ) -> dict[UUID, Sequence[tuple[int, float]]]:
        """Return when the output of runs was first seen, as far as that is known."""
        marks: dict[UUID, Sequence[tuple[int, float]]] = {}
        for run in runs:
            try:
                marks[run.id] = await outputs.times(run.id)
            except (DatabaseRefusedError, ValueError, OverflowError) as error:
                self._faults.report(run.id, "its times cannot be read", error)
        return marks

    def _go_on(self, live: LiveRun, marks: Sequence[tuple[int, float]] = ()) -> None:
        """Go on with a run that is ours now, by what there is of it."""
        if self._spool.directory(str(live.run.id)).is_dir():
            self._runner.adopt(live, marks)
        elif live.run.state is RunState.QUEUED:
            self._active.requeue(live)
            self._active.notify()
        else:
            self._runner.lose(live)

    async def _tell_of_others(self, runs: RunRepository) -> None:
        others = await runs.active_elsewhere(self._host)
        if others:
            logger.warning("runs of another host identity: %d; %s", others, ELSEWHERE)

    def _known(self, run: Run) -> LiveRun:
        """Return the run as it is shown already, with what is known of it now; or anew."""
        live = self._shown.pop(run.id, None)
        if live is None:
            return self._active.add(run)
        self._active.remove(live)  # what its spool told of it may be wrong
        live.mark_stored(run)
        self._active.insert(live)
        return live

    def _run(self, run_id: str, process: ProcessRecord) -> Run:
        """Return what the spool tells of a run."""
        started_at = datetime.fromtimestamp(process.started_at, UTC)
        return Run(
            id=UUID(run_id),
            command_id=UUID(process.label),
            state=RunState.RUNNING,
            created_at=started_at,
            start_time=started_at,
            script=self._spool.read_script(run_id),
            epoch=0,
            host=self._host,
        )

    async def end_unconfirmed(self, runs: RunRepository) -> None:
        """End runs that were stored although we told that they could not be, forever.

        The database's answer was lost; nobody expects such a run to start by now.
        """

        async def end() -> None:
            for run in await runs.unconfirmed(self._host, UNCONFIRMED_SECONDS):
                if self._active.get(run.id) is None:
                    await self._end_unconfirmed(runs, run)

        await forever(end, seconds=UNCONFIRMED_SECONDS, name="the end of unconfirmed runs")

    async def remove_remains(self) -> None:
        """Remove what could not be removed of a run when its end was stored, forever."""

        async def sweep() -> None:
            await asyncio.to_thread(self._spool.sweep)

        await forever(sweep, seconds=SWEEP_SECONDS, name="the removal of what runs left")

    async def _end_unconfirmed(self, runs: RunRepository, run: Run) -> None:
        try:
            await runs.finish_queued(run.id, outcome.unconfirmed())
        except DatabaseRefusedError as error:
            self._faults.report(run.id, "its row cannot be written", error)

    async def _sweep(self, orphans: set[str], positions: Mapping[UUID, Position]) -> None:
        """Remove the spools of runs that are stored as finished, and keep all others.

        A run that the database does not know was deleted; or the database is another one, or an
        older copy, and then its spool is all that there is of it. Only the operator can tell.
        """
        for run_id in orphans:
            position = positions.get(UUID(run_id))
            if position is None:
                logger.warning(UNKNOWN, extra={"run": run_id})
            elif position.state.final:
                await self._remove(run_id)
            else:
                logger.warning(ANOTHERS, extra={"run": run_id})

    async def _remove(self, run_id: str) -> None:
        try:
            await asyncio.to_thread(self._spool.remove, run_id)
        except Exception as error:
            self._faults.report(UUID(run_id), "its spool is not removed", error)
