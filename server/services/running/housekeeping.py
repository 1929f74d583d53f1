"""What is checked from time to time: the keeper, the rows and the remains of runs."""

import asyncio
import logging
import random
from contextlib import suppress

from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.services.archive.archiver import Archiver
from server.services.ledger.ledger import Ledger
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.finisher import Finisher
from server.services.running.follower import Follower
from server.services.running.recovery import Recovery
from server.services.running.spools import SpoolCare
from server.services.tasks import Tasks, forever

KEEPER_SECONDS = 1.0
"""Between two checks whether there is a keeper."""

ROWS_SECONDS = 30.0
"""Between two checks whether the rows of active runs are still there."""

RECONCILE_SECONDS = 600.0
"""Between two looks for runs that are stored as running here and are not, at most: hosts that were
started together do not ask together."""

SWEEP_SECONDS = 60.0
"""Between two tries to remove what could not be removed of a run when its end was stored."""

logger = logging.getLogger(__name__)


class Housekeeping:
    """Notices what no event announces: each method runs forever, its owner cancels it."""

    def __init__(
        self,
        *,
        care: SpoolCare,
        keeper: KeeperClient,
        archiver: Archiver,
        ledger: Ledger,
        active: ActiveRuns,
        follower: Follower,
        finisher: Finisher,
        recovery: Recovery,
    ) -> None:
        self._care = care
        self._keeper = keeper
        self._archiver = archiver
        self._ledger = ledger
        self._active = active
        self._follower = follower
        self._finisher = finisher
        self._recovery = recovery

    def start(self, tasks: Tasks) -> None:
        """Start all of it."""
        tasks.start(self.keep_keeper(), "keeper")
        tasks.start(self.check_rows(), "rows of runs")
        tasks.start(self.reconcile(), "runs that are stored as running")
        tasks.start(self.remove_remains(), "what runs left")

    async def keep_keeper(self) -> None:
        """Keep a keeper running while runs are active, and end the logs that no keeper has.

        A new keeper resolves the spools that one before it left behind.
        """

        async def check() -> None:
            logs = self._follower.logs
            if not self._active and not logs:
                return
            with suppress(KeeperError):  # the next look is in a moment
                await self._keeper.open()
                removed = {run_id: log for run_id, log in logs.items() if log.removed}
                # An output without a name has not ended: its keeper writes on, and names it again.
                if removed:
                    kept = await self._keeper.runs()
                    for run_id, log in removed.items():
                        if str(run_id) not in kept:
                            log.give_up()

        await forever(check, seconds=KEEPER_SECONDS, name="check of the keeper")

    async def check_rows(self) -> None:
        """Stop the runs whose rows somebody else has deleted or ended."""
        await forever(self.check_rows_now, seconds=ROWS_SECONDS, name="check of runs' rows")

    async def check_rows_now(self) -> None:
        """Do that once.

        Raises:
            DatabaseUnavailableError: it may be done again.
        """
        lives = list(self._active)
        positions = await self._ledger.positions([live.run.id for live in lives])
        for live in lives:
            position = positions.get(live.run.id)
            if position is not None and not position.state.final:
                continue
            if live.log is not None:  # its next step finds that the row is gone, and stops it
                self._archiver.recheck(live.run.id)
            elif self._active.is_queued(live):
                logger.warning("run is not started: its row is gone", extra={"run": live.run.id})
                self._active.dequeue(live)
                live.mark_ended(outcome.row_gone())
                self._finisher.forget(live)

    async def reconcile(self) -> None:
        """Go on with, or end, the runs that are stored as running here and are not.

        Not while this host may start none: another process of it may have them by now.
        """

        async def look() -> None:
            if self._active.may_start():
                await self._recovery.reconcile()

        pause_seconds = RECONCILE_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311  no secret
        await asyncio.sleep(pause_seconds)  # the recovery at the start has just done it
        await forever(look, seconds=pause_seconds, name="look for runs that are not here")

    async def catch_up(self) -> None:
        """Learn what became of runs of this host meanwhile, as after it was away.

        Raises:
            DatabaseUnavailableError: it may be done again.
        """
        await self.check_rows_now()
        await self._recovery.reconcile()

    async def remove_remains(self) -> None:
        """Remove what could not be removed of a run when its end was stored."""
        await forever(self._care.sweep, seconds=SWEEP_SECONDS, name="removal of what runs left")
