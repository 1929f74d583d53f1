"""The Runner: runs from the queue to the keeper."""

import asyncio
import logging

from server.definition import CauseKind
from server.keeper.client import KeeperClient
from server.keeper.failpoints import failpoint
from server.keeper.protocol import KeeperEndedError, KeeperError, KeeperRefusedError
from server.models import Run
from server.services.faults import cause
from server.services.ledger.ledger import Ledger, StartData
from server.services.metrics import Metrics
from server.services.running import outcome, waiting
from server.services.running.active import ActiveRuns
from server.services.running.finisher import Finisher
from server.services.running.follower import Follower
from server.services.running.launch import Launch
from server.services.running.live import LiveRun
from server.services.running.run_tasks import RunTasks

KEEPER_RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Runner:
    """Dispatches runs that are stored as `queued`: has the keeper start them.

    The keeper starts a run at most once, so that after a crash the Runner simply asks again.
    """

    def __init__(
        self,
        *,
        launch: Launch,
        keeper: KeeperClient,
        ledger: Ledger,
        active: ActiveRuns,
        run_tasks: RunTasks,
        follower: Follower,
        finisher: Finisher,
        metrics: Metrics,
    ) -> None:
        self._launch = launch
        self._keeper = keeper
        self._ledger = ledger
        self._active = active
        self._run_tasks = run_tasks
        self._follower = follower
        self._finisher = finisher
        self._metrics = metrics

    async def dispatch(self, run: Run) -> LiveRun | None:
        """Start a run that is stored as queued, or queue it; harmless when that is done already.

        None: it was here before, and is gone; what says that it is queued is older than that.
        """
        if (known := self._active.get(run.id)) is not None:
            return known
        if run.id in self._active.intake:
            return None
        failpoint("run.stored")
        if run.waits:
            live = self._active.add(run)
            self._active.set_aside(live)
            live.mark_waiting(waiting.at_first(run))
            return live
        self._active.aside.ring(run.command_id)
        live = self._active.enqueue(run)
        if self._active.next is live:  # else it has no place, or others came before
            self._active.dequeue(live)
            # A user who does not wait for the answer must not break off the start.
            await asyncio.shield(self._run_tasks.start(live, "start", self._start(live)))
        return live

    async def dispatch_queue(self) -> None:
        """Start queued runs as places become free, forever; the service's owner cancels it."""
        while True:
            await self._active.wait_for_turn()
            while (live := self._active.next) is not None:
                self._active.dequeue(live)
                if not await self._start(live):
                    # Nor would the keeper take one of those behind it.
                    await asyncio.sleep(KEEPER_RETRY_SECONDS)

    async def _start(self, live: LiveRun) -> bool:
        """Have the keeper start a run; False: it takes none now, and the run is queued again."""
        try:
            with self._metrics.spawn_seconds.time():
                data = await self._start_of(live.run)
                await self._keeper.start(self._launch.request(live.run, data.secrets, data.body))
            failpoint("run.started")
        except KeeperEndedError:  # it was to be started by an answer that came late
            logger.warning("run is not started: it has ended before", extra={"run": live.run.id})
            end = outcome.ended_before()  # where no other end of it is stored
            self._run_tasks.start(live, "end", self._finisher.finish(live, end))
        except KeeperRefusedError as error:  # to ask again is of no use
            end = outcome.not_started(str(error))
            self._run_tasks.start(live, "end", self._finisher.finish(live, end))
        except KeeperError as error:
            self._requeue(live, error)
            return False
        except Exception as error:
            # It may have been started: to ask again is safe, as it starts at most once.
            def again() -> None:
                self._run_tasks.start(live, "start", self._start(live))

            self._run_tasks.start_again(live, "it cannot be started now", error, again)
        else:
            self._follower.adopt(live)
        if self._active.obstacle.reason is not None:
            logger.info("dispatch resumed")
            self._active.obstacle.reason = None
        return True

    async def _start_of(self, run: Run) -> StartData:
        """Return what a run is started with.

        Raises:
            KeeperRefusedError: it is not there any more.
        """
        data = await self._ledger.start_of(run)
        if data.body is None and run.cause is not None and run.cause.kind is CauseKind.HOOK:
            raise KeeperRefusedError("what its hook was sent is not there any more")
        return data

    def _requeue(self, live: LiveRun, error: KeeperError) -> None:
        """Queue a run again, and report why it and all behind it wait."""
        reason = f"it waits for the keeper: {cause(error)}"
        if self._active.obstacle.reason != reason:
            # Once, not with each attempt: the obstacle may last for days.
            logger.warning("dispatch paused: keeper takes no run: %s", error)
            self._active.obstacle.reason = reason
        self._active.requeue(live)
