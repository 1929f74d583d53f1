"""Stops and signals, as users ask for them, and the stop of all runs with the service."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from uuid import UUID

from server.errors import KeeperUnavailableError, NoActiveRunError
from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.keeper.spool import Spool
from server.services.archive.archiver import Archiver
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.finisher import Finisher
from server.services.running.follower import Follower
from server.services.running.live import LiveRun
from server.services.running.spools import SpoolCare

END_SECONDS = 2.0
"""How long the ends of stopped runs may take to be stored when the service ends."""

NO_PROCESS = "The run has no process to send a signal to."

logger = logging.getLogger(__name__)


class Control:
    """Stops and signals the active runs."""

    def __init__(
        self,
        *,
        spool: Spool,
        care: SpoolCare,
        keeper: KeeperClient,
        archiver: Archiver,
        active: ActiveRuns,
        follower: Follower,
        finisher: Finisher,
    ) -> None:
        self._spool = spool
        self._care = care
        self._keeper = keeper
        self._archiver = archiver
        self._active = active
        self._follower = follower
        self._finisher = finisher

    async def stop(self, run_id: UUID, *, signal: str, grace_seconds: float) -> LiveRun:
        """End a run; harmless when it is ending already.

        One that is postponed is given up: if its end cannot be stored with all of its output, it
        is stored without.

        Raises:
            NoActiveRunError: the run is not active here, or has ended already.
            KeeperUnavailableError: the keeper did not take the request.
            DatabaseUnavailableError: it has no process, and its end cannot be stored.
        """
        live = self._active.get(run_id)
        if live is None:
            raise NoActiveRunError("The run is not active.")
        while self._is_starting(live):
            await live.change.wait()
        if self._active.is_queued(live):
            await self._finisher.finish_queued(live)
            return live
        stopping = await _ask(
            self._keeper.stop(str(run_id), signal=signal, grace_seconds=grace_seconds),
            "The run could not be stopped",
        )
        # The process of one that is postponed may have ended, while its output is still here.
        if stopping or (live.log is not None and live.fault is not None):
            live.mark_stopping()
            if live.given_up:
                await self._give_up(live)
        # It was not started, or its output is gone: no log will ever end.
        elif live.log is None and not live.run.state.final:
            await self._finisher.finish_now(live, outcome.given_up(live.fault))
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
            raise NoActiveRunError(NO_PROCESS)
        sent = await _ask(self._keeper.signal(str(run_id), name), "The signal could not be sent")
        if not sent:
            raise NoActiveRunError(NO_PROCESS)
        live.mark_signalled(name)
        return live

    async def stop_all(self, grace_seconds: float) -> None:
        """Stop every run that is not queued, and wait until its end is stored.

        For the end of the service: no run is started any more. Without a database their ends are
        left to the next server.
        """
        self._active.close()  # or each run that ends gives its place to the next
        started = [live.run.id for live in self._active if not self._active.is_queued(live)]
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds + END_SECONDS):
                for run_id in started:
                    with suppress(NoActiveRunError, KeeperUnavailableError):
                        await self.stop(run_id, signal="SIGTERM", grace_seconds=grace_seconds)
                await self._follower.wait_until_idle()

    def _is_starting(self, live: LiveRun) -> bool:
        """Whether a run has left the queue and has no log yet: soon it has, or is queued again."""
        ended = live.log is not None or live.run.state.final
        return not ended and not self._active.is_queued(live) and live.fault is None

    async def _give_up(self, live: LiveRun) -> None:
        """End a postponed run now, or with the next server, without the rest of its output."""
        try:
            await self._care.give_up(str(live.run.id))
        except OSError as error:
            about = {"run": live.run.id}
            logger.warning(
                "give-up not recorded, a next server does not know of it: %s", error, extra=about
            )
        self._archiver.recheck(live.run.id)

    def _ended_already(self, live: LiveRun) -> str:
        """Say how a run has ended whose end is not stored yet."""
        record = self._spool.read_exit(str(live.run.id))
        state = live.run.state if record is None else outcome.run_end(record).state
        return f"The run has ended already ({state})." if state.final else "The run has ended."


async def _ask(answer: Awaitable[bool], failure: str) -> bool:
    """Return the keeper's answer, or raise KeeperUnavailableError with this `failure`."""
    try:
        return await answer
    except KeeperError as error:
        raise KeeperUnavailableError(f"{failure}: {error}") from error
