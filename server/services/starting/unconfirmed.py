"""Runs that were stored, although the answer to whoever asked for them was an error."""

from server.errors import DatabaseRefusedError
from server.repositories.runs import RunRepository
from server.services.faults import Faults
from server.services.hosts.hosts import Hosts
from server.services.hosts.unclaimed import Unclaimed
from server.services.running import outcome
from server.services.tasks import forever

UNCONFIRMED_SECONDS = 60.0
"""Age at which a queued run that nobody here knows of cannot be one that is just being stored."""


class Unconfirmed:
    """Ends them; `host` is the identity of the host that they were stored for.

    The database's answer was lost; nobody expects such a run to start by now. One that nobody
    asked for by hand, such as a retry, was told to nobody: it is started after all.
    """

    def __init__(
        self, host: str, hosts: Hosts, unclaimed: Unclaimed, runs: RunRepository, faults: Faults
    ) -> None:
        self._host = host
        self._hosts = hosts
        self._unclaimed = unclaimed
        self._runs = runs
        self._faults = faults

    async def run(self) -> None:
        """End them, forever; the service's owner cancels it."""
        seconds = UNCONFIRMED_SECONDS
        await forever(self._look, seconds=seconds, name="ending of unconfirmed runs")

    async def _look(self) -> None:
        for run in await self._runs.unconfirmed(self._host, UNCONFIRMED_SECONDS):
            if self._hosts.live(run.id) is not None:
                continue  # it is in the queue, as it should be
            if run.unclaimed and run.held_at is None:
                self._unclaimed.ring()  # it waits, and the server that stored it may be gone
                continue
            if run.cause is not None:
                await self._hosts.queue(run)
                continue
            try:
                if run.unclaimed:
                    await self._unclaimed.end_held(run.id, outcome.unconfirmed())
                else:
                    await self._runs.finish_queued(run.id, outcome.unconfirmed())
            except DatabaseRefusedError as error:
                self._faults.report(run.id, "its row cannot be written", error)
