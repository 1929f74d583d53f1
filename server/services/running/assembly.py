"""The parts of this package, built in the order in which they need each other."""

from dataclasses import dataclass

from server.keeper.client import KeeperClient
from server.keeper.spool import Spool
from server.output.watch import Watch
from server.services.archive.archiver import Archiver
from server.services.faults import Faults
from server.services.ledger.ledger import Ledger
from server.services.metrics import Metrics
from server.services.running.active import ActiveRuns
from server.services.running.control import Control
from server.services.running.finisher import Finisher
from server.services.running.follower import Follower
from server.services.running.housekeeping import Housekeeping
from server.services.running.launch import Launch
from server.services.running.recovery import Recovery
from server.services.running.run_tasks import RunTasks
from server.services.running.runner import Runner
from server.services.running.spools import KeepersSpools, OwnSpools, SpoolCare
from server.services.tasks import Tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the runs of a host are brought to their ends with.

    `host` is the identity of the state directory. `spools_are_read_only`: the keeper alone may
    write in the spools. `has_lease`: see the Runner.
    """

    host: str
    launch: Launch
    spool: Spool
    keeper: KeeperClient
    watch: Watch
    archiver: Archiver
    ledger: Ledger
    active: ActiveRuns
    tasks: Tasks
    metrics: Metrics
    faults: Faults
    spools_are_read_only: bool = False
    has_lease: bool = False

    @property
    def care(self) -> SpoolCare:
        """Who writes in the spools."""
        return KeepersSpools(self.keeper) if self.spools_are_read_only else OwnSpools(self.spool)


class Running:
    """All that starts, follows and ends the runs of this host."""

    def __init__(self, means: Means) -> None:
        care, run_tasks = means.care, RunTasks(means.active, means.tasks, means.faults)
        self.run_tasks = run_tasks
        self.finisher = _finisher(means, care)
        self.follower = _follower(means, run_tasks, self.finisher)
        self.control = _control(means, care, self.follower, self.finisher)
        self.runner = _runner(means, run_tasks, self.follower, self.finisher)
        self.recovery = _recovery(means, care, run_tasks, self.follower, self.finisher)
        self.housekeeping = _housekeeping(means, care, self.follower, self.finisher, self.recovery)

    def start(self, tasks: Tasks) -> None:
        """Start queued runs, and look after all of them, until the tasks are cancelled."""
        tasks.start(self.runner.dispatch_queue(), "dispatch")
        self.housekeeping.start(tasks)


def _finisher(means: Means, care: SpoolCare) -> Finisher:
    return Finisher(
        spool=means.spool,
        care=care,
        ledger=means.ledger,
        active=means.active,
        metrics=means.metrics,
        faults=means.faults,
    )


def _follower(means: Means, run_tasks: RunTasks, finisher: Finisher) -> Follower:
    return Follower(
        spool=means.spool,
        keeper=means.keeper,
        watch=means.watch,
        archiver=means.archiver,
        ledger=means.ledger,
        active=means.active,
        run_tasks=run_tasks,
        finisher=finisher,
        faults=means.faults,
        grace_seconds=means.launch.limits.grace_seconds,
    )


def _control(means: Means, care: SpoolCare, follower: Follower, finisher: Finisher) -> Control:
    return Control(
        spool=means.spool,
        care=care,
        keeper=means.keeper,
        archiver=means.archiver,
        active=means.active,
        follower=follower,
        finisher=finisher,
    )


def _runner(means: Means, run_tasks: RunTasks, follower: Follower, finisher: Finisher) -> Runner:
    return Runner(
        launch=means.launch,
        keeper=means.keeper,
        ledger=means.ledger,
        active=means.active,
        run_tasks=run_tasks,
        follower=follower,
        finisher=finisher,
        metrics=means.metrics,
        has_lease=means.has_lease,
    )


def _recovery(
    means: Means, care: SpoolCare, run_tasks: RunTasks, follower: Follower, finisher: Finisher
) -> Recovery:
    return Recovery(
        host=means.host,
        spool=means.spool,
        care=care,
        ledger=means.ledger,
        active=means.active,
        run_tasks=run_tasks,
        follower=follower,
        finisher=finisher,
        faults=means.faults,
    )


def _housekeeping(
    means: Means, care: SpoolCare, follower: Follower, finisher: Finisher, recovery: Recovery
) -> Housekeeping:
    return Housekeeping(
        care=care,
        keeper=means.keeper,
        archiver=means.archiver,
        ledger=means.ledger,
        active=means.active,
        follower=follower,
        finisher=finisher,
        recovery=recovery,
    )
