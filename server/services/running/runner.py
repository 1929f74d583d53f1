"""The Runner: runs from the queue to the keeper."""

import asyncio
import logging

from server.definition import CauseKind
from server.errors import RunNotFoundError
from server.keeper.client import KeeperClient
from server.keeper.failpoints import failpoint
from server.keeper.protocol import (
    KeeperEndedError,
    KeeperError,
    KeeperLeaseError,
    KeeperRefusedError,
    boottime,
)
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


class _GoneError(Exception):
    """A run is not this host's to start any more; `stored` is how it is, None: it was deleted."""

    def __init__(self, stored: Run | None = None) -> None:
        self.stored = stored


class Runner:
    """Dispatches runs that are stored as `queued`: has the keeper start them.

    The keeper starts a run at most once, so that after a crash the Runner simply asks again.
    `has_lease`: the host has one, and runs that others begin once it is over end with it.
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
        has_lease: bool = False,
    ) -> None:
        self._launch = launch
        self._keeper = keeper
        self._ledger = ledger
        self._active = active
        self._run_tasks = run_tasks
        self._follower = follower
        self._finisher = finisher
        self._metrics = metrics
        self._has_lease = has_lease

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
                await self._ask_keeper(live.run)
            failpoint("run.started")
        except _GoneError as error:
            logger.warning("run is not started: it was given up", extra={"run": live.run.id})
            self._forget(live, error.stored)
        except KeeperEndedError:  # it was to be started by an answer that came late
            logger.warning("run is not started: it has ended before", extra={"run": live.run.id})
            end = outcome.ended_before()  # where no other end of it is stored
            self._run_tasks.start(live, "end", self._finisher.finish(live, end))
        except KeeperRefusedError as error:  # to ask again is of no use
            end = outcome.not_started(str(error))
            self._run_tasks.start(live, "end", self._finisher.finish(live, end))
        except KeeperLeaseError as error:  # others need none
            self._start_again(live, error)
        except KeeperError as error:
            self._requeue(live, error)
            return False
        except Exception as error:
            # It may have been started: to ask again is safe, as it starts at most once.
            self._start_again(live, error)
        else:
            self._follower.adopt(live)
        if self._active.obstacle.reason is not None:
            logger.info("dispatch resumed")
            self._active.obstacle.reason = None
        return True

    async def _ask_keeper(self, run: Run) -> None:
        """Have the keeper start a run.

        Raises:
            KeeperError: it does not, now or ever.
            _GoneError: another host may have begun it.
        """
        leased_at = await self._leased_at(run)
        data = await self._start_of(run)
        await self._keeper.start(self._launch.request(run, data.secrets, data.body, leased_at))

    async def _leased_at(self, run: Run) -> float | None:
        """Return since when the lease must stand for a run that ends with it; None: it does not.

        That is since the ledger was asked whether the run is still to be started here: it may have
        been given up while the lease was over.

        Raises:
            _GoneError: it is not.
        """
        if not (self._has_lease and run.options.leased):
            return None
        asked_at = boottime()
        try:
            stored = await self._ledger.get(run.id)
        except RunNotFoundError as error:
            raise _GoneError from error
        if stored.state.final or stored.epoch != run.epoch:
            raise _GoneError(stored)
        return asked_at

    def _forget(self, live: LiveRun, stored: Run | None) -> None:
        """Let go of a run that is not this host's any more; whoever waits for its start hears."""
        if stored is not None and stored.state.final:
            live.mark_lost(stored)
            live.mark_ended(outcome.stored_end(stored))
        else:
            live.mark_ended(outcome.row_gone())
        self._finisher.forget(live)

    def _start_again(self, live: LiveRun, error: Exception) -> None:
        def again() -> None:
            self._run_tasks.start(live, "start", self._start(live))

        self._run_tasks.start_again(live, "it cannot be started now", error, again)

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
