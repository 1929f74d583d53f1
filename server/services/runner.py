"""The Runner: starts, adopts, follows and stops runs."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from server.errors import (
    DatabaseUnavailableError,
    KeeperUnavailableError,
    NoActiveRunError,
)
from server.keeper import processes
from server.keeper.client import KeeperClient
from server.keeper.failpoints import failpoint
from server.keeper.protocol import KeeperError
from server.keeper.spool import ProcessRecord, Spool
from server.models import Advance, Command, Run, RunEnd
from server.output.log import RunLog
from server.output.watch import Watch
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services import outcome
from server.services.active import ActiveRuns
from server.services.archiver import Archiver
from server.services.launch import Launch
from server.services.live import LiveRun
from server.services.metrics import Metrics
from server.services.tasks import Tasks

KEEPER_RETRY_SECONDS = 1.0
UNREADABLE_SECONDS = 1.0
DATABASE_RETRY_SECONDS = 1.0

END_SECONDS = 2.0
"""How long the ends of stopped runs may take to be stored when the service ends."""

logger = logging.getLogger(__name__)


class Runner:
    """Brings the active runs of this host to their ends.

    A run is first stored as `queued`, then started by the keeper. The keeper starts a run at
    most once, so that after a crash the Runner simply asks again.
    """

    def __init__(
        self,
        *,
        host: str,
        launch: Launch,
        spool: Spool,
        keeper: KeeperClient,
        watch: Watch,
        archiver: Archiver,
        runs: RunRepository,
        outputs: OutputRepository,
        active: ActiveRuns,
        tasks: Tasks,
        metrics: Metrics,
    ) -> None:
        self._host = host
        self._launch = launch
        self._spool = spool
        self._keeper = keeper
        self._watch = watch
        self._archiver = archiver
        self._runs = runs
        self._outputs = outputs
        self._active = active
        self._tasks = tasks
        self._metrics = metrics
        self._following: set[asyncio.Task[None]] = set()

    @property
    def host(self) -> str:
        """The identity of the state directory, stored with each run."""
        return self._host

    async def start(self, command: Command) -> LiveRun:
        """Store a new run of the command and start it, or queue it when all places are taken."""
        self._active.admit(command.id)
        return await self.take_up(await self._runs.add(command.id, command.script, self._host))

    async def take_up(self, run: Run) -> LiveRun:
        """Start a run that is stored as queued."""
        failpoint("run.stored")
        live = self._active.enqueue(run)
        if self._active.next is live:
            self._active.take(live)
            await asyncio.shield(self._tasks.start(self._start(live), f"start {run.id}"))
        return live

    async def dispatch(self) -> None:
        """Start queued runs as places become free, for ever; the service's owner cancels it."""
        while True:
            await self._active.turn()
            while (live := self._active.next) is not None:
                self._active.take(live)
                if not await self._start(live):
                    break  # and let the loop hear of the keeper's death

    async def stop(self, run_id: UUID, *, signal: str, grace_seconds: float) -> LiveRun:
        """End a run; harmless when it is ending already.

        Raises:
            NoActiveRunError: the run is not active here.
            KeeperUnavailableError: the keeper did not take the request.
        """
        live = self._active.get(run_id)
        if live is None:
            raise NoActiveRunError("The run is not active.")
        while live.log is None and not live.run.state.final:
            if self._active.is_queued(live):
                await self._end_queued(live)
                return live
            await live.change.wait()
        try:
            stopping = await self._keeper.stop(
                str(run_id), signal=signal, grace_seconds=grace_seconds
            )
        except KeeperError as error:
            raise KeeperUnavailableError(f"The run could not be stopped: {error}") from error
        if stopping:
            live.stop_requested()
        return live

    async def signal(self, run_id: UUID, name: str) -> LiveRun:
        """Send a signal to a run's process group.

        Raises:
            NoActiveRunError: the run has no process (any more).
            KeeperUnavailableError: the keeper did not take the request.
        """
        live = self._active.get(run_id)
        if live is None or live.log is None:
            raise NoActiveRunError("The run has no process to send a signal to.")
        try:
            sent = await self._keeper.signal(str(run_id), name)
        except KeeperError as error:
            raise KeeperUnavailableError(f"The signal could not be sent: {error}") from error
        if not sent:
            raise NoActiveRunError("The run has no process to send a signal to.")
        live.signalled(name)
        return live

    async def stop_all(self, grace_seconds: float) -> None:
        """Stop every run that is not queued, and wait until its end is stored.

        For the end of the service: no run is started any more, and while the database is away
        the ends are left to the next server.
        """
        self._active.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds + END_SECONDS):
                for live in [live for live in self._active if not self._active.is_queued(live)]:
                    with suppress(NoActiveRunError, KeeperUnavailableError):
                        await self.stop(live.run.id, signal="SIGTERM", grace_seconds=grace_seconds)
                while self._following:
                    await asyncio.wait(self._following)

    def adopt(self, live: LiveRun, marks: Sequence[tuple[int, float]] = ()) -> None:
        """Follow a run that has a spool: its log, its archive, its end.

        A spool that cannot be read now (there may be no descriptor left) is tried again.
        """
        run_id = live.run.id
        try:
            log = live.log or self.show(live, marks)
        except FileNotFoundError:
            logger.warning("output is not there", extra={"run": run_id})
            self.lose(live)
            return
        except OSError as error:
            logger.warning("run is not followed yet: %s", error, extra={"run": run_id})
            asyncio.get_running_loop().call_later(UNREADABLE_SECONDS, self.adopt, live, marks)
            return
        logger.info("run is followed", extra={"run": run_id, "command": live.run.command_id})
        following = self._tasks.start(self._follow(live, log), f"follow {run_id}")
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
        start_time = (
            live.run.start_time
            if process is None
            else datetime.fromtimestamp(process.started_at, UTC)
        )
        self._watch.add(log)
        paused = process is not None and _is_paused(process)
        live.started(log, start_time, stopping=stop is not None, paused=paused)
        return log

    def leave(self, live: LiveRun) -> None:
        """Forget a run that was shown and is not ours; its viewers go on to its end."""
        self._active.remove(live)
        if live.log is not None:
            self._tasks.start(self._see_off(live.log), f"leave {live.run.id}")

    def lose(self, live: LiveRun) -> None:
        """End a run whose output is not there any more; what was archived stays."""
        self._tasks.start(self._lose(live), f"lose {live.run.id}")

    def end_of(self, run: Run) -> RunEnd:
        """Tell how a run whose log has ended ended."""
        record = self._spool.read_exit(str(run.id))
        return outcome.spool_lost() if record is None else outcome.run_end(record)

    async def keep_keeper(self) -> None:
        """See to it that there is a keeper while runs are active, for ever.

        A new keeper resolves the spools that one before it left behind.
        """
        while True:
            await asyncio.sleep(KEEPER_RETRY_SECONDS)
            if self._active:
                with suppress(KeeperError):
                    await self._keeper.open()

    async def _start(self, live: LiveRun) -> bool:
        """Have the keeper start a run; False when there is no keeper, and it is queued again."""
        try:
            with self._metrics.spawn_seconds.time():
                await self._keeper.start(self._launch.request(live.run))
            failpoint("run.started")
        except KeeperError as error:
            logger.warning("run waits for the keeper: %s", error, extra={"run": live.run.id})
            self._active.put_first(live)
            live.waits()
            asyncio.get_running_loop().call_later(KEEPER_RETRY_SECONDS, self._active.wake)
            return False
        self.adopt(live)
        return True

    async def _follow(self, live: LiveRun, log: RunLog) -> None:
        """Archive a run to its end; only then is its spool removed."""
        try:
            finished = await self._archiver.follow(live, log, lambda: self.end_of(live.run))
        finally:
            self._forget(live)
            self._watch.remove(log)
            log.release()
        if finished:
            failpoint("run.ended")
            await asyncio.to_thread(self._spool.remove, str(live.run.id))

    async def _see_off(self, log: RunLog) -> None:
        await log.grown(sys.maxsize)
        self._watch.remove(log)
        log.release()

    async def _lose(self, live: LiveRun) -> None:
        """Store that a run is lost, as soon as the database is there."""
        end = outcome.spool_lost()
        if await self._store_persistently(live.run, end):
            live.ended(end)
            await asyncio.to_thread(self._spool.remove, str(live.run.id))
        self._forget(live)

    async def _store_persistently(self, run: Run, end: RunEnd) -> bool:
        """Store a run's end however long the database is away; False when another server owns it.

        Where the answer of an attempt was lost, the next one finds that it had come through.
        """
        told = False
        while True:
            try:
                if await self._outputs.append([_ending(run, end)]):
                    return True
                position = (await self._outputs.positions([run.id])).get(run.id)
            except DatabaseUnavailableError as error:
                if not told:
                    logger.warning("run cannot be ended yet: %s", error, extra={"run": run.id})
                told = True
                await asyncio.sleep(DATABASE_RETRY_SECONDS)
            else:
                if position is None:
                    return False
                return position.epoch == run.epoch and position.state.final

    async def _end_queued(self, live: LiveRun) -> None:
        end = outcome.stopped_in_queue()
        self._active.take(live)
        try:
            await self._runs.finish_queued(live.run.id, end)
        except DatabaseUnavailableError:
            self._active.put_back(live)
            raise
        live.ended(end)
        self._forget(live)

    def _forget(self, live: LiveRun) -> None:
        self._active.remove(live)
        if live.run.state.final:
            self._metrics.runs_ended.labels(live.run.state).inc()
            about = {"run": live.run.id, "state": live.run.state, "exitcode": live.run.exitcode}
            logger.info("run ended", extra=about)


def _is_paused(process: ProcessRecord) -> bool:
    """Whether a run's main process is paused: whoever paused it may not be there any more."""
    same_boot = process.boot_id == processes.boot_id()
    return same_boot and processes.is_stopped(process.pid, process.start_ticks)


def _ending(run: Run, end: RunEnd) -> Advance:
    return Advance(
        run_id=run.id,
        epoch=run.epoch,
        from_offset=run.output_bytes,
        to_offset=run.output_bytes,
        to_lines=run.output_lines,
        end=end,
    )
