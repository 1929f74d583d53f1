"""The Follower: a run's log, its archive, its end."""

import asyncio
import errno
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from server.errors import DatabaseUnavailableError, RunNotFoundError
from server.keeper import processes
from server.keeper.client import KeeperClient
from server.keeper.failpoints import failpoint
from server.keeper.protocol import KeeperError
from server.keeper.spool import Spool
from server.models import Run, RunEnd
from server.output.log import RunLog
from server.output.watch import Watch
from server.services.archive.archiver import Archiver
from server.services.archive.followed import Followed
from server.services.faults import Faults
from server.services.ledger.ledger import Ledger
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.finisher import Finisher
from server.services.running.live import LiveRun
from server.services.running.run_tasks import RunTasks
from server.services.tasks import retry

STOP_AGAIN_SECONDS = 1.0
"""After which the keeper is asked again to stop a run whose output has not ended."""

KEPT_RETRY_SECONDS = 1.0
"""Between two questions whether the keeper still has a run whose output is gone."""

LEDGER_RETRY_SECONDS = 1.0
"""Between two questions how a run is stored that somebody else has ended."""

logger = logging.getLogger(__name__)


class Follower:
    """Follows the runs that have a spool, until all of their output and their ends are stored."""

    def __init__(
        self,
        *,
        spool: Spool,
        keeper: KeeperClient,
        watch: Watch,
        archiver: Archiver,
        ledger: Ledger,
        active: ActiveRuns,
        run_tasks: RunTasks,
        finisher: Finisher,
        faults: Faults,
        grace_seconds: float,
    ) -> None:
        self._spool = spool
        self._keeper = keeper
        self._watch = watch
        self._archiver = archiver
        self._ledger = ledger
        self._active = active
        self._run_tasks = run_tasks
        self._finisher = finisher
        self._faults = faults
        self._grace_seconds = grace_seconds
        self._following: set[asyncio.Task[None]] = set()
        self._abandoned: dict[UUID, RunLog] = {}

    @property
    def logs(self) -> Mapping[UUID, RunLog]:
        """The logs of all runs here, of those that were abandoned as well."""
        live = {live.run.id: live.log for live in self._active if live.log is not None}
        return live | self._abandoned

    def adopt(self, live: LiveRun, marks: Sequence[tuple[int, float]] = ()) -> None:
        """Follow a run that has a spool: its log, its archive, its end.

        If that fails for now (no descriptor may be left) it is tried again.
        """
        run_id = live.run.id
        try:
            failpoint("run.shown")
            log = live.log or self.show(live, marks)
        except FileNotFoundError:
            logger.warning(
                "output missing: run is lost unless its keeper has it", extra={"run": run_id}
            )
            self._run_tasks.start(live, "lose", self.lose(live))
            return
        except Exception as error:
            again = partial(self.adopt, live, marks)
            self._run_tasks.start_again(live, "it cannot be followed now", error, again)
            return
        self._faults.resolve(live)
        logger.info("run followed", extra={"run": run_id, "command": live.run.command_id})
        following = self._run_tasks.start(live, "follow", self._follow(live, log))
        self._following.add(following)
        following.add_done_callback(self._following.discard)

    def show(self, live: LiveRun, marks: Sequence[tuple[int, float]] = ()) -> RunLog:
        """Open the log of a run that has a spool, for its viewers; `adopt` does the rest.

        Raises:
            OSError: its spool cannot be read.
        """
        run_id = str(live.run.id)
        process, stop = self._spool.read_process(run_id), self._spool.read_stop(run_id)
        log = RunLog(self._spool.directory(run_id), marks=marks)
        self._watch.add(log)  # before the run shows it, so that no growth is missed
        start_time, paused = live.run.start_time, False
        if process is not None:
            start_time = datetime.fromtimestamp(process.started_at, UTC)
            # It may have been paused by an earlier server. After a reboot the pid is another's.
            same_boot = process.boot_id == processes.boot_id()
            paused = same_boot and processes.is_stopped(process.pid, process.start_ticks)
        live.mark_started(log, start_time, stopping=stop is not None, paused=paused)
        # A server before may have been asked to end it without the rest of its output.
        live.given_up = self._spool.is_given_up(run_id)
        return log

    def abandon(self, live: LiveRun) -> None:
        """Forget a run that was shown and is not ours; its viewers go on to its end."""
        self._active.remove(live)  # at once, or it would count as this host's
        if live.log is not None:
            self._run_tasks.start(live, "abandon", self._keep_open(live.run.id, live.log))

    async def lose(self, live: LiveRun) -> None:
        """End a run whose output is not there any more; what was archived stays.

        A keeper that has it stops it when its spool is gone; in any case it records the run's end
        in a spool that is whole.
        """
        run_id = str(live.run.id)

        async def require_unkept() -> None:
            if run_id in await self._keeper.runs():
                raise FileNotFoundError(errno.ENOENT, "its keeper still has the run")

        def pause_after(error: Exception) -> float:
            self._faults.postpone(live, "its output is not at its place", error)
            return KEPT_RETRY_SECONDS

        await retry(require_unkept, pause_after)
        if live.run.state.final:  # its user has stopped it meanwhile
            return
        if self._spool.read_exit(run_id) and self._spool.output_path(run_id).is_file():
            self.adopt(live)
        else:
            await self._finisher.finish(live, outcome.spool_lost())

    async def wait_until_idle(self) -> None:
        """Wait until no run is followed any more."""
        while self._following:
            await asyncio.wait(self._following)

    async def _follow(self, live: LiveRun, log: RunLog) -> None:
        def end_of(offset: int, fault: str | None) -> RunEnd:
            missing = outcome.OUTPUT_CUT if fault is None and log.damaged else fault
            return outcome.archived(offset, missing, lambda: self._finisher.end_of(live.run))

        async def archive(*, late: bool = False) -> Followed:
            failpoint("run.followed")
            return await self._archiver.follow(live, log, end_of, late=late)

        postpone = partial(self._faults.postpone, live, "it cannot be followed now")
        try:
            result = await retry(archive, postpone)
            if result is Followed.GIVEN_UP:
                if (stored := await self._stored(live)) is not None:
                    live.mark_lost(stored)
                await self._end_processes(live, log, result)
                # Viewers may have seen it: it is kept, though the run stays lost.
                result = await retry(partial(archive, late=True), postpone)
            if result in {Followed.DELETED, Followed.ENDED_ELSEWHERE}:
                await self._end_without_row(live, log, result)
        finally:
            # First of all the place: to close the log may fail, and the next run waits for it.
            self._finisher.forget(live)
            self._watch.remove(log)
            log.release()
        # Only now: until its end is stored, the spool is all that there is of the rest of it.
        if live.run.state.final:
            await self._finisher.remove_spool(live)

    async def _end_without_row(self, live: LiveRun, log: RunLog, result: Followed) -> None:
        """End a run whose row is gone or was ended by somebody else: nobody could see it run."""
        await self._end_processes(live, log, result)
        if result is Followed.ENDED_ELSEWHERE:
            stored = await self._stored(live)
            if stored is not None and stored.end_time is not None:
                live.mark_ended(outcome.stored_end(stored))

    async def _end_processes(self, live: LiveRun, log: RunLog, why: Followed) -> None:
        """Stop a run until its output has ended; one that has ended by itself is left so."""
        logger.warning("run is ended here: %s", why.value, extra={"run": live.run.id})
        if log.ended:
            return
        live.mark_stopping()
        while not log.ended:
            with suppress(KeeperError):  # there is another keeper in a moment
                await self._keeper.stop(
                    str(live.run.id), signal="SIGTERM", grace_seconds=self._grace_seconds
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_AGAIN_SECONDS):
                    await log.grown(sys.maxsize)

    async def _stored(self, live: LiveRun) -> Run | None:
        """Return a run as it is stored, however long the ledger is away; None: it was deleted."""

        def pause_after(error: Exception) -> float:
            if not isinstance(error, DatabaseUnavailableError):
                raise error
            return LEDGER_RETRY_SECONDS

        with suppress(RunNotFoundError):
            return await retry(partial(self._ledger.get, live.run.id), pause_after)
        return None

    async def _keep_open(self, run_id: UUID, log: RunLog) -> None:
        """Refresh the log of a run that is not ours until it ends, then close it."""
        self._abandoned[run_id] = log
        try:
            await log.grown(sys.maxsize)
        finally:
            del self._abandoned[run_id]
            self._watch.remove(log)
            log.release()
