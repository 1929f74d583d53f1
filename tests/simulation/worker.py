"""One life of a worker: its real parts, from the claim to the end of a run."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from server.errors import DatabaseUnavailableError
from server.keeper.records import Limits
from server.models import Run
from server.output.log import RunLog
from server.services.archive.archiver import Archiver
from server.services.faults import Faults
from server.services.ledger.wire import WireLedger
from server.services.metrics import Metrics
from server.services.running.active import ActiveRuns
from server.services.running.claiming import Claiming
from server.services.running.finisher import Finisher
from server.services.running.follower import Follower
from server.services.running.housekeeping import Housekeeping
from server.services.running.intake import Intake
from server.services.running.launch import Launch
from server.services.running.live import LiveRun
from server.services.running.recovery import Recovery
from server.services.running.run_tasks import RunTasks
from server.services.running.runner import Runner
from server.services.tasks import Tasks, retry
from server.services.worker import attendance
from server.services.worker.attendance import Attendance
from server.settings.groups import ArchiveSettings
from server.wire.asking import Servers
from server.wire.messages import Hello
from server.worker import APART_SECONDS
from tests.simulation.keeper import Care, Keeper, Log, Spools
from tests.simulation.lives import Directory, Living
from tests.simulation.network import Network, WorkerWire

METRICS = Metrics()
LAUNCH = Launch(  # noqa: S604
    shell="/bin/sh", directory=Path("/"), environment={}, limits=Limits()
)
LOOK_SECONDS = 30.0
RETRY_SECONDS = 1.0


class Following(Follower):
    """Follows runs whose spools are in memory."""

    def __init__(self, keeper: Keeper, **parts: Any) -> None:
        super().__init__(keeper=cast("Any", keeper), watch=cast("Any", self), **parts)
        self._spools = keeper.spools

    def show(self, live: LiveRun, marks: Sequence[tuple[int, float]] = ()) -> RunLog:
        assert isinstance(marks, Sequence)
        spool = self._spools.get(str(live.run.id))
        if spool is None:
            raise FileNotFoundError(str(live.run.id))
        log = cast("RunLog", Log(spool))
        live.mark_started(log, datetime.now(UTC), stopping=False, paused=False)
        return log

    def remove(self, _: RunLog) -> None:
        """Watch a log no more, as a Watch does."""


class Worker:
    """A worker from its start until it is killed; its keeper stays."""

    def __init__(
        self,
        host: str,
        life: int,
        keeper: Keeper,
        directory: Directory,
        network: Network,
        places: int,
    ) -> None:
        self._living = Living(directory, life)
        self._may_be_copy = not self._living.said.are_over
        self.tasks = Tasks()
        self._tasks_of = Tasks()
        wire = WorkerWire(network, host, life)
        self._servers = servers = Servers(cast("Any", wire), host)
        self._ledger = WireLedger(cast("Any", wire), servers, self._living.id)
        self._active = ActiveRuns(max_concurrent_runs=places, max_runs_per_command=1000)
        self._active.intake = Intake(asyncio.get_running_loop().time)
        settings = ArchiveSettings(flush_seconds=network.chance.plan.flush_seconds)
        self._build(host, keeper, settings)
        self._hello = hello = Hello(name=host, version="1", places=places)
        self._attendance = Attendance(
            servers,
            hello,
            self._active,
            stop=_stop_nothing,
            changed=lambda _: None,
            leased=lambda _since, _until: None,
            back=self._housekeeping.catch_up,
            life=self._living,
        )
        self._active.may_start = lambda: self._attendance.may_start
        self._claiming = Claiming(
            self._claim,
            ledger=self._ledger,
            active=self._active,
            runner=self._runner,
            look_seconds=lambda: LOOK_SECONDS,
        )
        self._active.on_gone = self._claiming.note_gone

    def _build(self, host: str, keeper: Keeper, settings: ArchiveSettings) -> None:
        faults, care, spools = Faults(METRICS), cast("Any", Care(keeper)), Spools(keeper)
        common: dict[str, Any] = {"ledger": self._ledger, "active": self._active}
        self._archiver = Archiver(
            self._ledger,
            settings,
            metrics=METRICS,
            faults=faults,
            waited=lambda: 0.0,
            apart_seconds=APART_SECONDS,
        )
        run_tasks = RunTasks(self._active, self._tasks_of, faults)
        finisher = Finisher(
            spool=cast("Any", spools), care=care, metrics=METRICS, faults=faults, **common
        )
        common |= {"run_tasks": run_tasks, "finisher": finisher}
        follower = Following(
            keeper,
            spool=spools,
            archiver=self._archiver,
            faults=faults,
            grace_seconds=1.0,
            **common,
        )
        common |= {"follower": follower}
        self._runner = Runner(launch=LAUNCH, keeper=cast("Any", keeper), metrics=METRICS, **common)
        self._recovery = Recovery(
            host=host, spool=cast("Any", spools), care=care, faults=faults, **common
        )
        self._housekeeping = Housekeeping(
            care=care,
            keeper=cast("Any", keeper),
            archiver=self._archiver,
            ledger=self._ledger,
            active=self._active,
            follower=follower,
            finisher=finisher,
            recovery=self._recovery,
        )

    async def live(self) -> None:
        """Begin as `tailrun worker` does, and go on; whoever kills it cancels that."""
        try:
            if self._may_be_copy:
                await attendance.until_let_in(self._servers, self._hello, self._living)
            self.tasks.start(self._living.run(), "life")
            if not await self._attendance.hello():
                await self._attendance.begin()
            self.tasks.start(self._attendance.run(), "beats")
            recover: Callable[[], Coroutine[Any, Any, None]] = partial(
                self._recovery.recover, self._ledger
            )
            await retry(recover, _pause_after)
            for work in (
                *(self._archiver.run, self._runner.dispatch_queue),
                *(self._claiming.run, self._housekeeping.check_rows),
                self._housekeeping.reconcile,
            ):
                self.tasks.start(work(), work.__name__)
            await self.tasks.failed.wait()
            raise AssertionError("a task of the worker died")
        finally:
            await self._tasks_of.cancel()
            await self.tasks.cancel()

    def ring(self) -> None:
        """Have it look for runs, as a bell does."""
        self._claiming.ring()

    async def _claim(self, places: int) -> Sequence[Run]:
        return await self._ledger.claim(places) if self._attendance.may_claim else ()


async def _stop_nothing(_: object) -> None:
    return


def _pause_after(error: Exception) -> float:
    if not isinstance(error, DatabaseUnavailableError | OSError):
        raise error
    return RETRY_SECONDS
