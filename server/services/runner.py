"""The Runner: starts, follows, stops and, after a restart, adopts runs."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from server.errors import (
    DatabaseUnavailableError,
    KeeperUnavailableError,
    LimitReachedError,
    NoActiveRunError,
)
from server.keeper import processes
from server.keeper.client import KeeperClient
from server.keeper.failpoints import failpoint
from server.keeper.protocol import KeeperError, StartRequest
from server.keeper.spool import Limits, ProcessRecord, Spool
from server.models import Advance, Command, Position, Run, RunEnd, RunState
from server.output.log import RunLog
from server.output.watch import Watch
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services import outcome
from server.services.archiver import Archiver
from server.services.live import LiveRun
from server.services.metrics import Metrics
from server.services.tasks import Tasks

KEEPER_RETRY_SECONDS = 1.0

UNCONFIRMED_SECONDS = 60.0
"""Age at which a queued run that nobody here knows of cannot be one that is just being stored."""
UNREADABLE_SECONDS = 1.0
DATABASE_RETRY_SECONDS = 1.0

END_SECONDS = 2.0
"""How long the ends of stopped runs may take to be stored when the service ends."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How scripts are started, and their bounds."""

    shell: str
    directory: Path
    environment: Mapping[str, str]
    limits: Limits
    max_concurrent_runs: int
    max_active_runs_per_command: int


class Runner:
    """Owns the active runs of this host.

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
        tasks: Tasks,
        metrics: Metrics,
    ) -> None:
        self._host = host
        self._launch_settings = launch
        self._spool = spool
        self._keeper = keeper
        self._watch = watch
        self._archiver = archiver
        self._runs = runs
        self._outputs = outputs
        self._tasks = tasks
        self._metrics = metrics
        self._live: dict[UUID, LiveRun] = {}
        self._queue: deque[UUID] = deque()
        self._dispatch = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    @property
    def queued(self) -> int:
        """How many runs wait for a place."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """How many runs have a place."""
        return len(self._live) - len(self._queue)

    @property
    def archive_lag_bytes(self) -> int:
        """How much output has been written and is not in the database yet."""
        return sum(live.view.output_bytes - live.run.output_bytes for live in self._live.values())

    @property
    def host(self) -> str:
        """The identity of the state directory, stored with each run."""
        return self._host

    def live(self, run_id: UUID) -> LiveRun | None:
        """Return the run if it is active here."""
        return self._live.get(run_id)

    def live_of(self, command_id: UUID) -> list[LiveRun]:
        """Return the command's active runs here, newest first."""
        found = [live for live in self._live.values() if live.run.command_id == command_id]
        return sorted(found, key=lambda live: (live.run.created_at, live.run.id), reverse=True)

    def admit(self, command_id: UUID) -> None:
        """Check that one more run of the command may be stored.

        Raises:
            LimitReachedError: the command has as many active runs as it may.
        """
        bound = self._launch_settings.max_active_runs_per_command
        if len(self.live_of(command_id)) >= bound:
            raise LimitReachedError(
                f"The command has {bound} active runs, the bound MAX_ACTIVE_RUNS_PER_COMMAND;"
                " stop one or wait."
            )

    async def start(self, command: Command) -> LiveRun:
        """Store a new run of the command and start it, or queue it when all places are taken."""
        self.admit(command.id)
        return await self.take_up(await self._runs.add(command.id, command.script, self._host))

    async def take_up(self, run: Run) -> LiveRun:
        """Start a run that is stored as queued."""
        failpoint("run.stored")
        live = self._register(run)
        if self._queue or self.running > self._launch_settings.max_concurrent_runs:
            self._enqueue(run.id)
        else:
            await asyncio.shield(self._tasks.start(self._start(live), f"start {run.id}"))
        return live

    async def stop(self, run_id: UUID, *, signal: str, grace_seconds: float) -> LiveRun:
        """End a run; harmless when it is ending already.

        Raises:
            NoActiveRunError: the run is not active here.
            KeeperUnavailableError: the keeper did not take the request.
        """
        live = self._live.get(run_id)
        if live is None:
            raise NoActiveRunError("The run is not active.")
        while live.log is None and not live.run.state.final:
            if run_id in self._queue:
                await self._end_queued(live, outcome.stopped_in_queue())
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
        live = self._live.get(run_id)
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
                self._adopt(self._register(taken), await self._outputs.times(run.id))
            elif run.state is RunState.QUEUED:
                self._register(taken)
                self._enqueue(run.id)
            else:
                self._tasks.start(self._lose(self._register(taken)), f"lose {run.id}")
        await self._sweep(spooled - {str(run.id) for run in stored})

    async def dispatch(self) -> None:
        """Start queued runs as places become free, for ever; the service's owner cancels it."""
        while True:
            await self._dispatch.wait()
            self._dispatch.clear()
            while self._place_is_free():
                live = self._live[self._queue.popleft()]
                if not await self._start(live):
                    break  # and let the loop hear of the keeper's death

    async def end_unconfirmed(self) -> None:
        """End runs that were stored although we told that they could not be, for ever.

        The database's answer was lost; nobody expects such a run to start by now.
        """
        while True:
            with suppress(DatabaseUnavailableError):
                for run in await self._runs.unconfirmed(self._host, UNCONFIRMED_SECONDS):
                    if run.id not in self._live:
                        await self._runs.finish_queued(run.id, outcome.unconfirmed())
            await asyncio.sleep(UNCONFIRMED_SECONDS)

    async def keep_keeper(self) -> None:
        """See to it that there is a keeper while runs are active, for ever.

        A new keeper resolves the spools that one before it left behind.
        """
        while True:
            await asyncio.sleep(KEEPER_RETRY_SECONDS)
            if self._live:
                with suppress(KeeperError):
                    await self._keeper.open()

    async def stop_all(self, grace_seconds: float) -> None:
        """Stop every run that is not queued, and wait until its end is stored.

        For the end of the service: no run is started any more, and while the database is away
        the ends are left to the next server.
        """
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds + END_SECONDS):
                for run_id in [run_id for run_id in self._live if run_id not in self._queue]:
                    with suppress(NoActiveRunError, KeeperUnavailableError):
                        await self.stop(run_id, signal="SIGTERM", grace_seconds=grace_seconds)
                await self._idle.wait()

    def _place_is_free(self) -> bool:
        """Whether a queued run may start."""
        free = self.running < self._launch_settings.max_concurrent_runs
        return bool(self._queue) and free and not self._closing

    def _register(self, run: Run) -> LiveRun:
        live = self._live[run.id] = LiveRun(run)
        return live

    def _enqueue(self, run_id: UUID) -> None:
        self._queue.append(run_id)
        self._dispatch.set()

    async def _start(self, live: LiveRun) -> bool:
        """Have the keeper start a run; False when there is no keeper, and it is queued again."""
        run, launch = live.run, self._launch_settings
        request = StartRequest(
            run_id=str(run.id),
            script=run.script,
            shell=launch.shell,
            directory=str(launch.directory),
            environment={**launch.environment, "TAILRUN_COMMAND_ID": str(run.command_id)},
            **asdict(launch.limits),
        )
        try:
            with self._metrics.spawn_seconds.time():
                await self._keeper.start(request)
            failpoint("run.started")
        except KeeperError as error:
            logger.warning("run waits for the keeper: %s", error, extra={"run": run.id})
            self._queue.appendleft(run.id)
            live.waits()
            asyncio.get_running_loop().call_later(KEEPER_RETRY_SECONDS, self._dispatch.set)
            return False
        self._adopt(live)
        return True

    def _adopt(self, live: LiveRun, marks: Sequence[tuple[int, float]] = ()) -> None:
        """Follow a run that has a spool: its log, its archive, its end.

        A spool that cannot be read now (there may be no descriptor left) is tried again.
        """
        run_id = str(live.run.id)
        try:
            process, stop = self._spool.read_process(run_id), self._spool.read_stop(run_id)
            log = RunLog(self._spool.directory(run_id), marks=marks)
        except FileNotFoundError:
            logger.warning("output is not there", extra={"run": run_id})
            self._tasks.start(self._lose(live), f"lose {run_id}")
            return
        except OSError as error:
            logger.warning("run is not followed yet: %s", error, extra={"run": run_id})
            asyncio.get_running_loop().call_later(UNREADABLE_SECONDS, self._adopt, live, marks)
            return
        start_time = (
            live.run.start_time
            if process is None
            else datetime.fromtimestamp(process.started_at, UTC)
        )
        self._watch.add(log)
        paused = process is not None and _is_paused(process)
        live.started(log, start_time, stopping=stop is not None, paused=paused)
        logger.info("run is followed", extra={"run": run_id, "command": live.run.command_id})
        self._idle.clear()
        self._tasks.start(self._follow(live, log), f"follow {run_id}")

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

    def end_of(self, run: Run) -> RunEnd:
        """Tell how a run whose log has ended ended."""
        record = self._spool.read_exit(str(run.id))
        return outcome.spool_lost() if record is None else outcome.run_end(record)

    async def _lose(self, live: LiveRun) -> None:
        """End a run whose output is not there any more; what was archived stays.

        While the database is away it waits, as the archive of any other run does.
        """
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
                ours = position is not None and position.epoch == run.epoch
                return ours and position is not None and position.state.final

    async def _end_queued(self, live: LiveRun, end: RunEnd) -> None:
        self._queue.remove(live.run.id)
        try:
            await self._runs.finish_queued(live.run.id, end)
        except DatabaseUnavailableError:
            self._enqueue(live.run.id)
            raise
        live.ended(end)
        self._forget(live)

    def _forget(self, live: LiveRun) -> None:
        self._live.pop(live.run.id, None)
        if live.run.state.final:
            self._metrics.runs_ended.labels(live.run.state).inc()
            about = {"run": live.run.id, "state": live.run.state, "exitcode": live.run.exitcode}
            logger.info("run ended", extra=about)
        if all(other.log is None for other in self._live.values()):
            self._idle.set()
        if self._queue:
            self._dispatch.set()

    async def _sweep(self, orphans: set[str]) -> None:
        """Remove spools of runs that are stored as finished; leave those that are unknown."""
        positions = await self._outputs.positions([UUID(run_id) for run_id in orphans])
        for run_id in orphans:
            position = positions.get(UUID(run_id))
            if position is not None and position.state.final:
                await asyncio.to_thread(self._spool.remove, run_id)
            else:
                logger.warning("a spool belongs to no run of this host", extra={"run": run_id})


def _is_paused(process: ProcessRecord) -> bool:
    """Whether a run's main process is paused: whoever paused it may not be there any more."""
    same_boot = process.boot_id == processes.boot_id()
    return same_boot and processes.is_stopped(process.pid, process.start_ticks)


def _at_position(run: Run, position: Position) -> Run:
    return replace(
        run,
        epoch=position.epoch,
        output_bytes=position.output_bytes,
        output_lines=position.output_lines,
    )


def _ending(run: Run, end: RunEnd) -> Advance:
    return Advance(
        run_id=run.id,
        epoch=run.epoch,
        from_offset=run.output_bytes,
        to_offset=run.output_bytes,
        to_lines=run.output_lines,
        end=end,
    )
