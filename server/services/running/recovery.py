"""The recovery of what the servers before left: their runs and spools."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from server.errors import DatabaseRefusedError, DatabaseUnavailableError, RunNotFoundError
from server.keeper.failpoints import failpoint
from server.keeper.spool import Spool
from server.models import Position, Run, RunState
from server.repositories.database.halving import in_parts
from server.services.faults import Faults, cause, log_fault
from server.services.ledger.ledger import Ledger
from server.services.running.active import ActiveRuns
from server.services.running.finisher import Finisher
from server.services.running.follower import Follower
from server.services.running.live import LiveRun
from server.services.running.run_tasks import RunTasks
from server.services.running.spools import SpoolCare

UNKNOWN_SPOOL = "spool is kept: the database does not know its run (docs/operations.md)"
FOREIGN_SPOOL = "spool is kept: its run belongs to another host identity (docs/operations.md)"
NOT_FOLLOWED = "run is stored as running here, and was not followed: its database was set back"

logger = logging.getLogger(__name__)


class Recovery:
    """Finds the runs and spools that other servers of this host left behind."""

    def __init__(
        self,
        *,
        host: str,
        spool: Spool,
        care: SpoolCare,
        ledger: Ledger,
        active: ActiveRuns,
        run_tasks: RunTasks,
        follower: Follower,
        finisher: Finisher,
        faults: Faults,
    ) -> None:
        self._host = host
        self._spool = spool
        self._care = care
        self._ledger = ledger
        self._active = active
        self._run_tasks = run_tasks
        self._follower = follower
        self._finisher = finisher
        self._faults = faults
        self._shown: dict[UUID, LiveRun] = {}
        self._is_done = False
        self._reconciling = asyncio.Lock()

    def show(self) -> bool:
        """Let viewers follow the runs whose spools are here, until `recover` can ask for them.

        Returns whether there are any.
        """
        for run_id in self._spool.run_ids():
            try:
                failpoint("recovery.shown")
                process = self._spool.read_process(run_id)
                # Without a label, as of an older version, nobody knows whose run it is.
                if process is not None and process.label:
                    started_at = datetime.fromtimestamp(process.started_at, UTC)
                    run = Run(
                        id=UUID(run_id),
                        command_id=UUID(process.label),
                        state=RunState.RUNNING,
                        created_at=started_at,
                        start_time=started_at,
                        script=self._spool.read_script(run_id),
                        epoch=0,
                        host=self._host,
                    )
                    live = LiveRun(run)
                    self._follower.show(live)
                    self._active.insert(live)
                    self._shown[live.run.id] = live
            except Exception as error:
                log_fault(run_id, f"run cannot be shown: {cause(error)}", error)
        return bool(self._shown)

    async def recover(self, ledger: Ledger) -> None:
        """Take over every run that the database has as active on this host, and go on with it.

        A run with a spool is adopted, whatever became of it; a queued one without one never
        started and is queued again; a running one without spool is lost. Nobody else may store
        runs of this host meanwhile. One whose row the database does not let be written is taken
        over later; it can be watched and stopped meanwhile.

        Raises:
            DatabaseUnavailableError: no run was recovered; it may be done again.
        """
        stored = await ledger.active()
        positions, refused = await self._take_over(ledger, stored)
        failpoint("recovery.taken_over")
        # One without a position was refused, or another server has taken it over meanwhile.
        ours = [positions[run.id].applied_to(run) for run in stored if run.id in positions]
        marks = await self._marks(ledger, ours)
        # What ended meanwhile is an orphan, too, as by the last step of whoever was here before.
        late = await self._sweep_orphans(ledger, [*ours, *(run for run, _ in refused)])
        # The last question to the database was asked: if it goes away now, all runs are recovered,
        # and before, none. A run that was recovered twice would be followed twice.
        for run in sorted(ours, key=lambda run: (run.created_at, run.id)):
            self._resume(self._live(run), marks.get(run.id, ()))
        for run, error in refused:
            self._take_over_later(self._live(run), error)
        for run in late:
            self._add_late(run)
        for live in self._shown.values():
            self._follower.abandon(live)
        self._shown.clear()
        self._is_done = True

    async def reconcile(self) -> None:
        """Go on with the runs that are stored as running here, and that this host does not have.

        There are some where the database was set back, as by a restore: those that have ended since
        are lost, as after a restart, and those with a spool are adopted. Of a run that leaves this
        host meanwhile the end is stored before, so it is not taken over. Before `recover` is
        through nothing is done.

        Raises:
            DatabaseUnavailableError: it may be done again.
        """
        if not self._is_done:
            return
        async with self._reconciling:
            running = await self._ledger.running()
            absent = [run for run in running if self._active.get(run.id) is None]
            positions, refused = await self._take_over(self._ledger, absent)
            for run in absent:
                if run.id in positions:
                    logger.warning(NOT_FOLLOWED, extra={"run": run.id})
                    self._resume(self._active.add(positions[run.id].applied_to(run)))
            for run, error in refused:
                self._take_over_later(self._active.add(run), error)

    async def _take_over(
        self, ledger: Ledger, stored: Sequence[Run]
    ) -> tuple[Mapping[UUID, Position], list[tuple[Run, DatabaseRefusedError]]]:
        """Take runs over; return where they stand, and those whose rows cannot be written."""
        refused: list[tuple[Run, DatabaseRefusedError]] = []

        async def take_over(part: Sequence[Run]) -> Mapping[UUID, Position]:
            return await ledger.take_over(part)

        parts = await in_parts(stored, take_over, lambda *one: refused.append(one))
        return {run_id: found for part in parts for run_id, found in part.items()}, refused

    async def _marks(
        self, ledger: Ledger, runs: Collection[Run]
    ) -> dict[UUID, Sequence[tuple[int, float]]]:
        """Return when the output of runs that have a spool was first seen, where that is known."""
        spooled = set(self._spool.run_ids())
        marks: dict[UUID, Sequence[tuple[int, float]]] = {}
        for run in runs:
            if str(run.id) in spooled:
                try:
                    marks[run.id] = await ledger.times(run.id)
                except (DatabaseRefusedError, ValueError, OverflowError) as error:
                    self._faults.report(run.id, "its times cannot be read", error)
        return marks

    async def _sweep_orphans(self, ledger: Ledger, kept: Collection[Run]) -> Sequence[Run]:
        """Remove the spools of runs that are stored as finished, and keep all others.

        Returns those that were given up, whose spools may have what is not stored yet.
        """
        late: list[Run] = []
        orphans = set(self._spool.run_ids()) - {str(run.id) for run in kept}
        positions = await ledger.positions([UUID(run_id) for run_id in orphans])
        for run_id in orphans:
            position = positions.get(UUID(run_id))
            if position is None:
                # It was deleted; or this is another database, or an older copy, and the spool is
                # all that there is of the run. Only the operator knows.
                logger.warning(UNKNOWN_SPOOL, extra={"run": run_id})
            elif position.given_up and (run := await _found(ledger, run_id)) is not None:
                if run.host == self._host:
                    late.append(run)
                else:
                    logger.warning(FOREIGN_SPOOL, extra={"run": run_id})
            elif not position.state.final:
                logger.warning(FOREIGN_SPOOL, extra={"run": run_id})
            else:
                try:
                    await self._care.remove(run_id)
                except Exception as error:
                    self._faults.report(UUID(run_id), "its spool is not removed", error)
        return late

    def _add_late(self, stored: Run) -> None:
        """End a run here that was given up meanwhile, and add what it has written to its output."""
        live = self._live(replace(stored, state=RunState.RUNNING, end_time=None, reason=None))
        live.mark_lost(stored)
        self._follower.adopt(live)

    def _live(self, run: Run) -> LiveRun:
        """Return the run as it is shown already, with what the database knows of it; or anew."""
        live = self._shown.pop(run.id, None)
        if live is None:
            return self._active.add(run)
        self._active.remove(live)  # what its spool says of it may be wrong
        live.mark_stored(run)
        self._active.insert(live)
        return live

    def _resume(self, live: LiveRun, marks: Sequence[tuple[int, float]] = ()) -> None:
        """Go on with a run that is ours now: follow its spool, queue it, or end it as lost."""
        if self._spool.directory(str(live.run.id)).is_dir():
            self._follower.adopt(live, marks)
        elif live.run.waits:
            self._active.set_aside(live)
        elif live.run.state is RunState.QUEUED:
            self._active.requeue(live)
        else:
            self._run_tasks.start(live, "lose", self._follower.lose(live))

    def _take_over_later(self, live: LiveRun, error: DatabaseUnavailableError) -> None:
        """Take a run over whose row cannot be written now, and go on with it."""

        async def take_over() -> None:
            try:
                positions = await self._ledger.take_over([live.run])
            except DatabaseUnavailableError as another:
                self._take_over_later(live, another)
                return
            if live.run.id in positions:
                live.run = positions[live.run.id].applied_to(live.run)
                self._faults.resolve(live)
                self._resume(live)
            else:
                self._finisher.forget(live)

        def again() -> None:
            self._run_tasks.start(live, "take over", take_over())

        self._run_tasks.start_again(live, "its row cannot be written now", error, again)


async def _found(ledger: Ledger, run_id: str) -> Run | None:
    """Return a run; None: it was deleted meanwhile."""
    with suppress(RunNotFoundError):
        return await ledger.get(UUID(run_id))
    return None
