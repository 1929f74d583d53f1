"""What follows the ends of runs is made, each once: retries, and notifications to be sent."""

import asyncio
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from uuid import UUID

from server.access import Actor, KnownBy, Principal
from server.definition import Pause
from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.keeper.failpoints import failpoint
from server.models import Run
from server.repositories.ends import Ended, EndRepository
from server.services.ends.following import following
from server.services.faults import Faults
from server.services.running.live import LiveRun
from server.services.starting.starts import Starts
from server.services.tasks import forever, wait_for

AT_A_TIME = 16
LOOK_SECONDS = 30.0
"""How often it is looked for ends that nobody here was told of."""

RETRY_SECONDS = 1.0
"""After the database was away."""

GATHER_SECONDS = 0.1
"""From the end of a worker's run to the look for what follows it: most have nothing, and one look
is for all that end meanwhile."""

POSTPONED_SECONDS = 60.0
"""After what follows a single end could not be made."""


class Ends:
    """Makes what follows the ends of runs.

    The ends stand in the database: what was not made before a kill is made after it. While no
    command has retries or notifications, the database is asked twice a minute.
    """

    def __init__(
        self,
        ends: EndRepository,
        starts: Starts,
        faults: Faults,
        on_told: Callable[[], None],
    ) -> None:
        self._ends = ends
        self._starts = starts
        self._faults = faults
        self._on_told = on_told
        self._ended = asyncio.Event()
        self._postponed: dict[UUID, float] = {}
        self._to_be_woken = False

    def run_changed(self, live: LiveRun) -> None:
        """Look now, if a run has ended that something may follow."""
        run = live.run
        options = run.options
        if run.state.final and (options.retries is not None or options.notify or options.leased):
            self._ended.set()

    def wake(self) -> None:
        """Look soon: runs of workers have ended, and something may follow."""
        if not self._to_be_woken:
            self._to_be_woken = True
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._wake_after_gathering)

    def _wake_after_gathering(self) -> None:
        self._to_be_woken = False
        self._ended.set()

    async def run(self) -> None:
        """Make what follows each end, forever; the service's owner cancels it."""
        await forever(self._look_on, seconds=RETRY_SECONDS, name="what follows the ends of runs")

    async def _look_on(self) -> None:
        while True:
            self._ended.clear()
            found = await self._ends.due(self._starts.host, AT_A_TIME, but=self._left_alone())
            for ended in found:
                await self._follow_or_postpone(ended)
            if not found:
                await wait_for(self._ended, LOOK_SECONDS)

    def _left_alone(self) -> Collection[UUID]:
        """Return the runs whose ends are postponed still."""
        now = time.monotonic()
        self._postponed = {one: until for one, until in self._postponed.items() if now < until}
        return self._postponed.keys()

    async def _follow_or_postpone(self, ended: Ended) -> None:
        """Make what follows an end; one of which that cannot be made holds up no other."""
        try:
            await self._follow(ended)
        except Exception as error:
            away = isinstance(error, DatabaseUnavailableError)
            if away and not isinstance(error, DatabaseRefusedError):
                raise
            run_id = ended.run.id
            self._postponed[run_id] = time.monotonic() + POSTPONED_SECONDS
            self._faults.report(run_id, "what follows its end cannot be made now", error)

    async def _follow(self, ended: Ended) -> None:
        now = datetime.now(UTC)
        run = ended.run
        follows = following(
            run,
            ended.before,
            is_left=ended.stop_wanted or _holds(ended.paused, now),
            now=now,
        )
        failpoint("end.follow")
        retry = await self._ends.take(
            run,
            retry=None if follows.retry is None else self._starts.placed(follows.retry),
            told=follows.told,
            host=self._starts.host,
            by=_actor(run),
        )
        failpoint("end.followed")
        if follows.told:
            self._on_told()
        if retry is not None:
            await self._starts.queue(retry)


def _actor(run: Run) -> Actor:
    return Actor(Principal(name=f"retry of {run.id}", known_by=KnownBy.RETRY), "")


def _holds(pause: Pause | None, now: datetime) -> bool:
    """Return whether a pause holds at a moment."""
    return pause is not None and (pause.until is None or now < pause.until)
