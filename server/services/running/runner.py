"""The Runner: starts, adopts, follows and stops runs."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from server.errors import (
    DatabaseRefusedError,
    DatabaseUnavailableError,
    KeeperUnavailableError,
    NoActiveRunError,
)
from server.keeper import processes
from server.keeper.client import KeeperClient
from server.keeper.failpoints import failpoint
from server.keeper.protocol import KeeperError, KeeperRefusedError
from server.keeper.records import ExitRecord, ProcessRecord
from server.keeper.spool import Spool
from server.models import Advance, Command, RequestKey, Run, RunEnd
from server.output.log import RunLog
from server.output.watch import Watch
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.archive.archiver import Archiver
from server.services.archive.followed import Followed
from server.services.faults import Faults, cause
from server.services.metrics import Metrics
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.launch import Launch
from server.services.running.live import LiveRun
from server.services.tasks import Tasks, forever

KEEPER_RETRY_SECONDS = 1.0
DATABASE_RETRY_SECONDS = 1.0

ROWS_SECONDS = 30.0
"""Between two looks at whether the rows of active runs are still there."""

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
        faults: Faults,
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
        self._faults = faults
        self._following: set[asyncio.Task[None]] = set()
        self._left: dict[UUID, RunLog] = {}

    @property
    def host(self) -> str:
        """The identity of the state directory, stored with each run."""
        return self._host

    async def start(self, command: Command, request: RequestKey | None = None) -> LiveRun:
        """Store a new run of the command and start it, or queue it when all places are taken.

        Raises:
            RequestRepeatedError: the request was answered before.
        """
        self._active.admit(command.id)
        return await self.take_up(
            await self._runs.add(command.id, command.script, self._host, request=request)
        )

    async def take_up(self, run: Run) -> LiveRun:
        """Start a run that is stored as queued, unless that is done already."""
        if (known := self._active.get(run.id)) is not None:
            return known
        failpoint("run.stored")
        live = self._active.enqueue(run)
        if self._active.next is live:
            self._active.dequeue(live)
            await asyncio.shield(self._do(live, "start", self._start(live)))
        return live

    async def dispatch(self) -> None:
        """Start queued runs as places become free, forever; the service's owner cancels it."""
        while True:
            await self._active.wait_for_turn()
            while (live := self._active.next) is not None:
                self._active.dequeue(live)
                if not await self._start(live):
                    break  # and let the loop hear of the keeper's death

    async def stop(self, run_id: UUID, *, signal: str, grace_seconds: float) -> LiveRun:
        """End a run; harmless when it is ending already.

        One that is put off is given up: where its end cannot be stored with all of its output, it
        is stored without.

        Raises:
            NoActiveRunError: the run is not active here, or has ended already.
            KeeperUnavailableError: the keeper did not take the request.
            DatabaseUnavailableError: it has no process, and its end cannot be stored.
        """
        live = self._active.get(run_id)
        if live is None:
            raise NoActiveRunError("The run is not active.")
        while live.log is None and not live.run.state.final:
            if self._active.is_queued(live):
                await self._end_queued(live)
                return live
            if live.fault is not None:
                break
            await live.change.wait()
        try:
            stopping = await self._keeper.stop(
                str(run_id), signal=signal, grace_seconds=grace_seconds
            )
        except KeeperError as error:
            raise KeeperUnavailableError(f"The run could not be stopped: {error}") from error
        if stopping or (live.log is not None and live.fault is not None):
            live.mark_stopping()
            if live.given_up:
                self._give_up(live)
        elif live.log is None and not live.run.state.final:
            await self._end_without_process(live)
        else:
            raise NoActiveRunError(self._ended_already(live))
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
        live.mark_signalled(name)
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

        Where that cannot be done now (there may be no descriptor left) it is tried again.
        """
        run_id = live.run.id
        try:
            failpoint("run.shown")
            log = live.log or self.show(live, marks)
        except FileNotFoundError:
            logger.warning("output is not there", extra={"run": run_id})
            self.lose(live)
            return
        except Exception as error:
            self._postpone(
                live, "it cannot be followed now", error, lambda: self.adopt(live, marks)
            )
            return
        self._faults.resolve(live)
        logger.info("run is followed", extra={"run": run_id, "command": live.run.command_id})
        following = self._do(live, "follow", self._follow(live, log))
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
        live.mark_started(log, start_time, stopping=stop is not None, paused=paused)
        live.given_up = self._spool.is_given_up(run_id)
        return log

    def leave(self, live: LiveRun) -> None:
        """Forget a run that was shown and is not ours; its viewers go on to its end."""
        self._active.remove(live)
        if live.log is not None:
            self._do(live, "leave", self._see_off(live.run.id, live.log))

    def lose(self, live: LiveRun) -> None:
        """End a run whose output is not there any more; what was archived stays."""
        self._do(live, "lose", self._lose(live))

    def take_over_later(self, live: LiveRun, found: Callable[[LiveRun], None]) -> None:
        """Take a run over as soon as the database lets its row be written; `found` goes on."""
        self._do(live, "take over", self._take_over(live, found))

    def end_of(self, run: Run) -> RunEnd:
        """Tell how a run whose log has ended ended."""
        record = self._spool.read_exit(str(run.id))
        end = outcome.spool_lost() if record is None else outcome.run_end(record)
        if self._spool.has_windows_line_ends(str(run.id)):
            end = outcome.windows(end)
        live = self._active.get(run.id)
        if live is None or live.log is None:
            return end
        kept = max(live.log.size, live.run.output_bytes)
        if record is not None and not live.log.damaged and not _tells(record, kept):
            return outcome.incomplete(kept, outcome.OUTPUT_CUT, lambda: end)
        damaged = live.log.damaged or live.log.size < live.run.output_bytes
        return outcome.cut(end, live.log.size) if damaged else end

    async def keep_keeper(self) -> None:
        """See to it that there is a keeper while runs are active, forever.

        A new keeper resolves the spools that one before it left behind.
        """
        await forever(self._look_for_keeper, seconds=KEEPER_RETRY_SECONDS, name="the keeper")

    async def watch_rows(self) -> None:
        """Stop the runs whose rows somebody else has deleted or ended, forever."""
        await forever(self._look_at_rows, seconds=ROWS_SECONDS, name="the look at rows")

    async def _look_for_keeper(self) -> None:
        if self._active or self._left:
            with suppress(KeeperError):
                await self._keeper.open()
                await self._look_for_removed()

    async def _look_for_removed(self) -> None:
        """Give those logs up whose files were removed, once no keeper has their runs."""
        logs = {live.run.id: live.log for live in self._active if live.log is not None}
        removed = {id_: log for id_, log in (logs | self._left).items() if log.removed}
        if removed:
            kept = await self._keeper.runs()
            for run_id, log in removed.items():
                if str(run_id) not in kept:
                    log.give_up()

    async def _look_at_rows(self) -> None:
        lives = list(self._active)
        positions = await self._outputs.positions([live.run.id for live in lives])
        for live in lives:
            position = positions.get(live.run.id)
            if position is not None and not position.state.final:
                continue
            if live.log is not None:
                self._archiver.look_at(live.run.id)
            elif self._active.is_queued(live):
                logger.warning("run is not started: its row is gone", extra={"run": live.run.id})
                self._active.dequeue(live)
                live.mark_ended(outcome.row_gone())
                self._forget(live)

    def _do(self, live: LiveRun, what: str, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Do something for one run as a task; a fault of it is that run's alone."""
        run_id = live.run.id
        on_fault = partial(self._faults.report, run_id, f"its task failed ({what})")
        return self._tasks.start_for_run(work, f"{what} {run_id}", on_fault)

    def _postpone(
        self, live: LiveRun, what: str, error: Exception, again: Callable[[], object]
    ) -> None:
        """Try a step for a run again after a while, unless it has ended meanwhile."""

        def try_again() -> None:
            if self._active.get(live.run.id) is live and not live.run.state.final:
                again()

        pause = self._faults.postpone(live, what, error)
        asyncio.get_running_loop().call_later(pause, try_again)

    async def _start(self, live: LiveRun) -> bool:
        """Have the keeper start a run; False when there is no keeper, and it is queued again."""
        try:
            with self._metrics.spawn_seconds.time():
                await self._keeper.start(self._launch.request(live.run))
            failpoint("run.started")
        except KeeperRefusedError as error:
            self._do(live, "end", self._end(live, outcome.not_started(str(error))))
            return True
        except KeeperError as error:
            self._wait_for_keeper(live, error)
            return False
        except Exception as error:
            # It may have been started: it is asked for again, which starts it at most once.
            again = partial(self._start_again, live)
            self._postpone(live, "it cannot be started now", error, again)
            return True
        self._active.obstacle.reason = None
        self.adopt(live)
        return True

    def _wait_for_keeper(self, live: LiveRun, error: KeeperError) -> None:
        """Queue a run again, and tell it and all that are behind it why they wait."""
        reason = f"it waits for the keeper: {cause(error)}"
        if self._active.obstacle.reason != reason:
            # Once, and not with each attempt: the obstacle may last for days.
            logger.warning("run waits for the keeper: %s", error, extra={"run": live.run.id})
            self._active.obstacle.reason = reason
        self._active.requeue(live)
        live.mark_queued()
        asyncio.get_running_loop().call_later(KEEPER_RETRY_SECONDS, self._active.notify)

    def _start_again(self, live: LiveRun) -> None:
        self._do(live, "start", self._start(live))

    async def _follow(self, live: LiveRun, log: RunLog) -> None:
        """Archive a run to its end; only then is its spool removed."""
        try:
            result = await self._follow_persistently(live, log)
            if result in {Followed.DELETED, Followed.ENDED_ELSEWHERE}:
                await self._end_with_its_row(live, log, result)
        finally:
            self._forget(live)
            self._watch.remove(log)
            log.release()
        if live.run.state.final:
            await self._remove_spool(live)

    async def _follow_persistently(self, live: LiveRun, log: RunLog) -> Followed:
        def end_of(offset: int, fault: str | None) -> RunEnd:
            missing = outcome.OUTPUT_CUT if fault is None and log.damaged else fault
            return outcome.archived(offset, missing, lambda: self.end_of(live.run))

        while True:
            try:
                failpoint("run.followed")
                return await self._archiver.follow(live, log, end_of)
            except Exception as error:
                pause = self._faults.postpone(live, "it cannot be followed now", error)
                await asyncio.sleep(pause)

    async def _end_with_its_row(self, live: LiveRun, log: RunLog, result: Followed) -> None:
        """Stop a run whose row is gone or was ended by somebody else: nobody could see it run."""
        run_id = live.run.id
        logger.warning("run is stopped: %s", result.value, extra={"run": run_id})
        live.mark_stopping()
        await self._stop_process(live, log)
        if result is Followed.ENDED_ELSEWHERE:
            stored = await self._runs.get(run_id)
            if stored.end_time is not None:
                live.mark_ended(outcome.stored_end(stored))

    async def _stop_process(self, live: LiveRun, log: RunLog) -> None:
        """Have the keeper stop a run, and wait for the end of its output."""
        while not log.ended:
            with suppress(KeeperError):
                await self._keeper.stop(
                    str(live.run.id),
                    signal="SIGTERM",
                    grace_seconds=self._launch.limits.grace_seconds,
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEPER_RETRY_SECONDS):
                    await log.grown(sys.maxsize)

    async def _remove_spool(self, live: LiveRun) -> None:
        """Remove the spool of a run whose end is stored; what is left, the next start removes."""
        try:
            failpoint("run.ended")
            await asyncio.to_thread(self._spool.remove, str(live.run.id))
        except Exception as error:
            self._faults.report(live.run.id, "its spool is not removed", error)

    async def _see_off(self, run_id: UUID, log: RunLog) -> None:
        self._left[run_id] = log
        try:
            await log.grown(sys.maxsize)
        finally:
            del self._left[run_id]
            self._watch.remove(log)
            log.release()

    async def _take_over(self, live: LiveRun, found: Callable[[LiveRun], None]) -> None:
        while self._active.get(live.run.id) is live:
            try:
                positions = await self._runs.take_over([live.run.id], self._host)
            except DatabaseUnavailableError as error:
                pause = self._faults.postpone(live, "its row cannot be written now", error)
                await asyncio.sleep(pause)
                continue
            if live.run.id in positions:
                live.run = positions[live.run.id].of(live.run)
                self._faults.resolve(live)
                found(live)
            else:
                self._forget(live)
            return

    async def _lose(self, live: LiveRun) -> None:
        """Store that a run is lost, once no process of it goes on.

        A keeper that has it stops it when its spool is gone; in any case it records the run's end
        in a spool that is whole.
        """
        run_id = str(live.run.id)
        while await self._is_kept(run_id):
            self._faults.postpone(live, "its output is not at its place", FileNotFoundError())
            await asyncio.sleep(KEEPER_RETRY_SECONDS)
        if self._spool.read_exit(run_id) and self._spool.output_path(run_id).is_file():
            self.adopt(live)
        else:
            await self._end(live, outcome.spool_lost())

    async def _is_kept(self, run_id: str) -> bool:
        """Whether the keeper has a run, as far as is known."""
        try:
            return run_id in await self._keeper.runs()
        except KeeperError as error:
            logger.warning("run waits for the keeper: %s", error, extra={"run": run_id})
            return True

    async def _end(self, live: LiveRun, end: RunEnd) -> None:
        """Store the end of a run that has no process, as soon as the database is there."""
        if await self._store_persistently(live, end):
            live.mark_ended(end)
            await self._remove_spool(live)
        self._forget(live)

    async def _store_persistently(self, live: LiveRun, end: RunEnd) -> bool:
        """Store a run's end, however long that takes; False when another server owns it."""
        told = False
        while True:
            try:
                return await self._store(live.run, end)
            except DatabaseRefusedError as error:
                pause = self._faults.postpone(live, "its end cannot be stored now", error)
                await asyncio.sleep(pause)
            except DatabaseUnavailableError as error:
                if not told:
                    about = {"run": live.run.id}
                    logger.warning("run cannot be ended yet: %s", error, extra=about)
                told = True
                await asyncio.sleep(DATABASE_RETRY_SECONDS)

    async def _store(self, run: Run, end: RunEnd) -> bool:
        """Store a run's end; False when another server owns it.

        Where the answer of an attempt was lost, the next one finds that it had come through.
        """
        if await self._outputs.append([_ending(run, end)]):
            return True
        position = (await self._outputs.positions([run.id])).get(run.id)
        return position is not None and position.epoch == run.epoch and position.state.final

    def _give_up(self, live: LiveRun) -> None:
        """Take the last step for a run that is put off now; or have the next server take it."""
        try:
            self._spool.give_up(str(live.run.id))
        except OSError as error:
            logger.warning("cannot note that it is given up: %s", error, extra={"run": live.run.id})
        self._archiver.look_at(live.run.id)

    async def _end_without_process(self, live: LiveRun) -> None:
        """End a run that is put off and has no process, on somebody's demand."""
        end = outcome.given_up(live.fault)
        if await self._store(live.run, end):
            live.mark_ended(end)
            await self._remove_spool(live)
        self._forget(live)

    def _ended_already(self, live: LiveRun) -> str:
        """Say how a run has ended whose end is not stored yet."""
        record = self._spool.read_exit(str(live.run.id))
        state = live.run.state if record is None else outcome.run_end(record).state
        return f"The run has ended already ({state})." if state.final else "The run has ended."

    async def _end_queued(self, live: LiveRun) -> None:
        end = outcome.stopped_in_queue()
        self._active.dequeue(live)
        try:
            await self._runs.finish_queued(live.run.id, end)
        except BaseException:
            self._active.requeue(live)
            self._active.notify()
            live.mark_queued()  # whoever wants to stop it as well finds it in the queue again
            raise
        live.mark_ended(end)
        self._forget(live)

    def _forget(self, live: LiveRun) -> None:
        self._active.remove(live)
        self._faults.forget(live)
        if live.run.state.final:
            self._metrics.runs_ended.labels(live.run.state).inc()
            about = {"run": live.run.id, "state": live.run.state, "exitcode": live.run.exitcode}
            logger.info("run ended", extra=about)


def _tells(record: ExitRecord, size: int) -> bool:
    """Whether a record tells of an output of this size; where it was not completed, of any.

    Less than is archived was written where a renewed keeper found another file at its name.
    """
    return record.output_bytes == size or record.output_error is not None


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
