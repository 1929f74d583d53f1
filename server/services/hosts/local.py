"""The one host that there is: the server's own."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID

from server.errors import NoActiveRunError
from server.models import Run
from server.repositories.runs import RunRepository
from server.services.hosts.hosts import Watched
from server.services.running import outcome
from server.services.running.active import ActiveRuns
from server.services.running.control import Control
from server.services.running.finisher import Finisher
from server.services.running.live import LiveRun, RunView
from server.services.running.runner import Runner

logger = logging.getLogger(__name__)


class LocalHost:
    """The `Hosts` of a server that runs all commands by itself; `host` is its identity."""

    def __init__(
        self,
        host: str,
        active: ActiveRuns,
        runner: Runner,
        control: Control,
        finisher: Finisher,
        runs: RunRepository,
    ) -> None:
        self._host = host
        self._active = active
        self._runner = runner
        self._control = control
        self._finisher = finisher
        self._runs = runs
        self.live, self.of_command = active.get, active.of_command

    def __iter__(self) -> Iterator[LiveRun]:
        return iter(self._active)

    def view(self, run: Run) -> RunView:
        """View a stored run, as it is live when it is active here."""
        live = self._active.get(run.id)
        return RunView.stored(run) if live is None else live.view

    @asynccontextmanager
    async def follow(self, run_id: UUID) -> AsyncIterator[LiveRun | None]:
        """Hold a run for somebody who watches it; None: it is not active here."""
        yield self._active.get(run_id)

    async def until_claimed(self, _run_id: UUID) -> AsyncIterator[RunView]:
        """Wait for nothing: what is not active here is nobody's."""
        return
        yield

    async def wait_ended(self, live: Watched) -> Run:
        """Return an active run with its end, once its output has ended."""
        assert isinstance(live, LiveRun), "it is one of those that this host has"
        return await live.wait_ended(self._finisher.end_of)

    async def queue(self, run: Run) -> RunView:
        """Start a run that is stored as queued, or queue it; harmless when that is done already."""
        live = await self._runner.dispatch(run)
        return self.view(await self._runs.get(run.id)) if live is None else live.view

    async def stop(self, run: Run, *, signal: str, grace_seconds: float) -> RunView:
        """End a run (`Control.stop`); one that is not active here, as lost."""
        if self._active.get(run.id) is None:
            return await self._end_unfollowed(run)
        return (await self._control.stop(run.id, signal=signal, grace_seconds=grace_seconds)).view

    async def signal(self, run: Run, name: str) -> RunView:
        """Send a signal to a run's process group (`Control.signal`)."""
        return (await self._control.signal(run.id, name)).view

    async def _end_unfollowed(self, run: Run) -> RunView:
        """End a run that is stored as active and that this server does not have, as lost.

        Its state directory is lost, or another server's. Whoever stops it wants it to end.
        """
        reason = outcome.unfollowed(ours=run.host == self._host)
        ended = await self._runs.end_unfollowed(run, reason)
        if ended is None:
            raise NoActiveRunError("The run has changed meanwhile. Look at it again.")
        logger.warning("run ended as lost: no server follows it", extra={"run": run.id})
        return RunView.stored(ended)
