"""What a server takes up of those before it, and what it clears away."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from server.errors import DatabaseUnavailableError
from server.keeper.spool import Spool
from server.models import Position, Run, RunState
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services import outcome
from server.services.active import ActiveRuns
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
        runs: RunRepository,
        outputs: OutputRepository,
        active: ActiveRuns,
        runner: Runner,
    ) -> None:
        self._host = host
        self._spool = spool
        self._runs = runs
        self._outputs = outputs
        self._active = active
        self._runner = runner

    async def recover(self) -> None:
        """Take up every run that the database has as active on this host.

        A run with a spool is adopted, whatever became of it; a queued run without one never
        started and is queued again; a running one without spool is lost.
        """
        stored = await self._runs.active(self._host)
        positions = await self._runs.take_over([run.id for run in stored], self._host)
        spooled = set(self._spool.run_ids())
        for run in sorted(stored, key=lambda run: (run.created_at, run.id)):
            if run.id not in positions:
                continue
            taken = _at_position(run, positions[run.id])
            if str(run.id) in spooled:
                self._runner.adopt(self._active.add(taken), await self._outputs.times(run.id))
            elif run.state is RunState.QUEUED:
                self._active.enqueue(taken)
            else:
                self._runner.lose(self._active.add(taken))
        await self._sweep(spooled - {str(run.id) for run in stored})

    async def end_unconfirmed(self) -> None:
        """End runs that were stored although we told that they could not be, for ever.

        The database's answer was lost; nobody expects such a run to start by now.
        """
        while True:
            with suppress(DatabaseUnavailableError):
                for run in await self._runs.unconfirmed(self._host, UNCONFIRMED_SECONDS):
                    if self._active.get(run.id) is None:
                        await self._runs.finish_queued(run.id, outcome.unconfirmed())
            await asyncio.sleep(UNCONFIRMED_SECONDS)

    async def _sweep(self, orphans: set[str]) -> None:
        """Remove the spools of runs that are stored as finished, and keep all others.

        A run that the database does not know was deleted; or the database is another one, or an
        older copy, and then its spool is all that there is of it. Only the operator can tell.
        """
        positions = await self._outputs.positions([UUID(run_id) for run_id in orphans])
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
