"""The parts of this package, built in the order in which they need each other."""

from server.keeper.client import KeeperClient
from server.keeper.spool import Spool
from server.output.watch import Watch
from server.repositories.runs import RunRepository
from server.repositories.turns import TurnRepository
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
from server.services.running.spools import KeepersSpools, OwnSpools
from server.services.running.turns import Turns
from server.services.tasks import Tasks


class Running:
    """All that starts, follows and ends the runs of this host.

    `host` is the identity of the state directory, stored with each run. `spools_are_read_only`:
    the keeper alone may write in the spools.
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
        ledger: Ledger,
        runs: RunRepository,
        turns: TurnRepository,
        active: ActiveRuns,
        tasks: Tasks,
        metrics: Metrics,
        faults: Faults,
        spools_are_read_only: bool = False,
    ) -> None:
        care = KeepersSpools(keeper) if spools_are_read_only else OwnSpools(spool)
        run_tasks = RunTasks(active, tasks, faults)
        self.finisher = Finisher(
            spool=spool,
            care=care,
            ledger=ledger,
            active=active,
            metrics=metrics,
            faults=faults,
        )
        self.follower = Follower(
            spool=spool,
            keeper=keeper,
            watch=watch,
            archiver=archiver,
            ledger=ledger,
            active=active,
            run_tasks=run_tasks,
            finisher=self.finisher,
            faults=faults,
            grace_seconds=launch.limits.grace_seconds,
        )
        self.control = Control(
            spool=spool,
            care=care,
            keeper=keeper,
            archiver=archiver,
            active=active,
            follower=self.follower,
            finisher=self.finisher,
        )
        self.runner = Runner(
            host=host,
            launch=launch,
            keeper=keeper,
            runs=runs,
            ledger=ledger,
            active=active,
            run_tasks=run_tasks,
            follower=self.follower,
            finisher=self.finisher,
            metrics=metrics,
        )
        self.turns = Turns(
            host=host,
            active=active,
            turns=turns,
            run_tasks=run_tasks,
            finisher=self.finisher,
            faults=faults,
        )
        self.recovery = Recovery(
            host=host,
            spool=spool,
            care=care,
            ledger=ledger,
            active=active,
            run_tasks=run_tasks,
            follower=self.follower,
            finisher=self.finisher,
            faults=faults,
        )
        self.housekeeping = Housekeeping(
            host=host,
            care=care,
            keeper=keeper,
            archiver=archiver,
            runs=runs,
            ledger=ledger,
            active=active,
            follower=self.follower,
            finisher=self.finisher,
            faults=faults,
            dispatch=self.runner.dispatch,
        )
