"""What a server takes up of those before it, and what it clears away."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from server.errors import DatabaseUnavailableError
from server.keeper.spool import ProcessRecord, Spool
from server.models import Position, Run, RunState
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services import outcome
from server.services.active import ActiveRuns
from server.services.live import LiveRun
from server.services.runner import Runner

UNCONFIRMED_SECONDS = 60.0
"""Age at which a queued run that nobody here knows of cannot be one that is just being stored."""

UNKNOWN = "spool is kept: the database does not know its run (docs/operations.md)"
ANOTHERS = "spool is kept: its run belongs to another host identity (docs/operations.md)"

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
    ) -> None:
        self._host = host
        self._spool = spool
        self._active = active
        self._runner = runner
        self._shown: dict[UUID, LiveRun] = {}

    def show(self) -> bool:
        """Let viewers follow the runs whose spools are here, until `recover` can ask for them.

        Left out are those that a server of an older version started: whose they are is not told.
        Returns whether there are any.
        """
        for run_id in self._spool.run_ids():
            process = self._spool.read_process(run_id)
            if process is not None and process.label:
                try:
                    live = LiveRun(self._run(run_id, process))
                    self._runner.show(live)
                except OSError as error:
                    logger.warning("run cannot be shown: %s", error, extra={"run": run_id})
                else:
                    self._active.put(live)
                    self._shown[live.run.id] = live
        return bool(self._shown)

    async def recover(self, runs: RunRepository, outputs: OutputRepository) -> None:
        """Take up every run that the database has as active on this host.

        A run with a spool is adopted, whatever became of it; a queued run without one never
        started and is queued again; a running one without spool is lost. Nobody else may store
        runs of this host meanwhile.

        Raises:
            DatabaseUnavailableError: no run was taken up; it may be done again.
        """
        stored = await runs.active(self._host)
        positions = await runs.take_over([run.id for run in stored], self._host)
        spooled = set(self._spool.run_ids())
        orphans = spooled - {str(run.id) for run in stored}
        known = await outputs.positions([UUID(run_id) for run_id in orphans])
        taken = [_at_position(run, positions[run.id]) for run in stored if run.id in positions]
        marks = {run.id: await outputs.times(run.id) for run in taken if str(run.id) in spooled}
        await self._sweep(orphans, known)
        for run in sorted(taken, key=lambda run: (run.created_at, run.id)):
            if str(run.id) in spooled:
                self._runner.adopt(self._known(run), marks[run.id])
            elif run.state is RunState.QUEUED:
                self._active.enqueue(run)
            else:
                self._runner.lose(self._active.add(run))
        for live in self._shown.values():
            self._runner.leave(live)
        self._shown.clear()

    def _known(self, run: Run) -> LiveRun:
        """Return the run as it is shown already, with what is known of it now; or anew."""
        live = self._shown.pop(run.id, None)
        if live is None:
            return self._active.add(run)
        live.known(run)
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
            end_time=None,
            exitcode=None,
            signal=None,
            reason=None,
            script=self._spool.read_script(run_id),
            output_bytes=0,
            output_lines=0,
            epoch=0,
            host=self._host,
        )

    async def end_unconfirmed(self, runs: RunRepository) -> None:
        """End runs that were stored although we told that they could not be, for ever.

        The database's answer was lost; nobody expects such a run to start by now.
        """
        while True:
            with suppress(DatabaseUnavailableError):
                for run in await runs.unconfirmed(self._host, UNCONFIRMED_SECONDS):
                    if self._active.get(run.id) is None:
                        await runs.finish_queued(run.id, outcome.unconfirmed())
            await asyncio.sleep(UNCONFIRMED_SECONDS)

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
                await asyncio.to_thread(self._spool.remove, run_id)
            else:
                logger.warning(ANOTHERS, extra={"run": run_id})


def _at_position(run: Run, position: Position) -> Run:
    return replace(
        run,
        epoch=position.epoch,
        output_bytes=position.output_bytes,
        output_lines=position.output_lines,
    )
