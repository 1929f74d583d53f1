"""The Finisher: how a run ended, its end stored, its spool removed, the run forgotten."""

import logging
from contextlib import suppress

from server.errors import DatabaseRefusedError, DatabaseUnavailableError, RunNotFoundError
from server.keeper.failpoints import failpoint
from server.keeper.spool import Spool
from server.models import Advance, Run, RunEnd
from server.services.faults import Faults
from server.services.ledger.ledger import Ledger
from server.services.metrics import Metrics
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.live import LiveRun
from server.services.running.spools import SpoolCare
from server.services.tasks import retry

DATABASE_RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Finisher:
    """Brings active runs to their ends in the database, and out of the active runs.

    The end of a run that has output to archive is stored by the Archiver, with its last byte.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        care: SpoolCare,
        ledger: Ledger,
        active: ActiveRuns,
        metrics: Metrics,
        faults: Faults,
    ) -> None:
        self._spool = spool
        self._care = care
        self._ledger = ledger
        self._active = active
        self._metrics = metrics
        self._faults = faults

    def end_of(self, run: Run) -> RunEnd:
        """Return how a run ended whose log has ended; one that was given up, as it is stored.

        Raises:
            OSError: its exit record cannot be read now.
        """
        live = self._active.get(run.id)
        if live is not None and live.lost is not None:
            return outcome.stored_end(live.lost)
        record = self._spool.read_exit(str(run.id))
        end = outcome.spool_lost() if record is None else outcome.run_end(record, run.options)
        end = outcome.instead(end, None if live is None else live.replaced_by)
        if self._spool.has_windows_line_ends(str(run.id)):
            end = outcome.windows(end)
        if live is None or live.log is None:
            return end
        kept = max(live.log.size, live.run.output_bytes)
        # Less than is archived was written where a renewed keeper found another file at its name.
        # A record whose output was not completed fits one of any size.
        fits = record is None or record.output_bytes == kept or record.output_error is not None
        if not fits and not live.log.damaged:
            return outcome.incomplete(kept, outcome.OUTPUT_CUT, lambda: end)
        damaged = live.log.damaged or live.log.size < live.run.output_bytes
        return outcome.cut(end, live.log.size) if damaged else end

    async def finish(self, live: LiveRun, end: RunEnd) -> None:
        """Store the end of a run that has no process, however long that takes, and forget it.

        Where it had ended already, that end stays.
        """
        reported = False

        def pause_after(error: Exception) -> float:
            nonlocal reported
            if isinstance(error, DatabaseRefusedError):
                return self._faults.postpone(live, "its end cannot be stored now", error)
            if not isinstance(error, DatabaseUnavailableError):
                raise error
            if not reported:
                about = {"run": live.run.id}
                logger.warning("run's end is not stored yet, retrying: %s", error, extra=about)
            reported = True
            return DATABASE_RETRY_SECONDS

        await self._finish(live, await retry(lambda: self._store(live.run, end), pause_after))

    async def finish_now(self, live: LiveRun, end: RunEnd) -> None:
        """Store the end of a run that has no process, and forget it.

        Raises:
            DatabaseUnavailableError: it cannot be stored now; nothing has changed.
        """
        await self._finish(live, await self._store(live.run, end))

    async def finish_queued(self, live: LiveRun, end: RunEnd | None = None) -> None:
        """Store that a queued run was stopped, or this end of it, and forget it.

        Raises:
            DatabaseUnavailableError: it cannot be stored now; the run is queued where it was.
        """
        end = end or outcome.stopped_in_queue()
        put_back = self._active.dequeue(live)  # or it is started while the database takes its end
        try:
            await self._ledger.finish_queued(live.run.id, end)
        except BaseException:  # a user who hangs up is no reason to lose the run
            # The inverse of what was done: among those that wait, it is where it was.
            put_back(live)
            raise
        live.mark_ended(end)
        self.forget(live)

    async def remove_spool(self, live: LiveRun) -> None:
        """Remove the spool of a run whose end is stored; what is left, the next start removes."""
        try:
            failpoint("run.ended")
            await self._care.remove(str(live.run.id))
        except Exception as error:
            self._faults.report(live.run.id, "its spool is not removed", error)

    def forget(self, live: LiveRun) -> None:
        """Take a run out of the active ones: it has ended, or is not ours any more.

        Harmless when that was done already, so that its end is counted once.
        """
        if self._active.get(live.run.id) is not live:
            return
        self._active.remove(live)  # its place is free, and the next of the queue is started
        self._faults.forget(live)
        if live.run.state.final and live.lost is None:  # else whoever gave it up has counted it
            self._metrics.runs_ended.labels(live.run.state).inc()
            about = {"run": live.run.id, "state": live.run.state, "exitcode": live.run.exitcode}
            logger.info("run ended", extra=about)

    async def _finish(self, live: LiveRun, end: RunEnd | None) -> None:
        # Its user may have stopped it meanwhile: the end that was stored then is its end.
        if end is not None and not live.run.state.final:
            live.mark_ended(end)
            await self.remove_spool(live)
        self.forget(live)

    async def _store(self, run: Run, end: RunEnd) -> RunEnd | None:
        """Store a run's end; return the one that is stored, None when another server owns it."""
        advance = Advance(
            run_id=run.id,
            epoch=run.epoch,
            from_offset=run.output_bytes,
            to_offset=run.output_bytes,
            to_lines=run.output_lines,
            end=end,
        )
        if await self._ledger.append([advance]):
            return end
        position = (await self._ledger.positions([run.id])).get(run.id)
        if position is None or not position.state.final:
            return None
        # An attempt had come through whose answer was lost; or the run had ended before.
        with suppress(RunNotFoundError):  # it was deleted meanwhile: nobody is to be told more
            return outcome.stored_end(await self._ledger.get(run.id))
        return None
