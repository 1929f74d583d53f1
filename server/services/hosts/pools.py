"""The hosts, with the runs that no host has yet: they wait for a worker of their pool."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from server.errors import NoActiveRunError
from server.models import Run, RunState
from server.repositories.claims import ClaimRepository
from server.services.hosts.hosts import Hosts, Watched
from server.services.hosts.roll import Roll
from server.services.hosts.unclaimed import Unclaimed
from server.services.running import outcome
from server.services.running.live import RunView

FIRST_LOOK_SECONDS, LOOK_SECONDS, LONGER = 0.002, 0.5, 1.5
"""Between two looks whether somebody has claimed a run that is watched: each pause is so many times
as long as the one before, as most are claimed at once, and others wait for a worker."""


async def _settled() -> None:
    """Wait for no claim: none is made here."""


class Pools:
    """`Hosts` that know of the runs that no host has; all else is asked of `hosts`.

    `host` is the identity of the server's own. `settled` waits until what it is about to claim is
    followed here. `roll` knows who can have what waits; None: nothing is said of that.
    """

    def __init__(
        self,
        host: str,
        hosts: Hosts,
        unclaimed: Unclaimed,
        claims: ClaimRepository,
        settled: Callable[[], Awaitable[object]] | None = None,
        roll: Roll | None = None,
    ) -> None:
        self._host = host
        self._hosts = hosts
        self._unclaimed = unclaimed
        self._claims = claims
        self._settled = settled or _settled
        self._roll = roll
        self.live, self.of_command = hosts.live, hosts.of_command
        self.wait_ended = hosts.wait_ended

    def __iter__(self) -> Iterator[Watched]:
        return iter(self._hosts)

    def view(self, run: Run) -> RunView:
        """View a stored run; of one that no host has it is said what hinders all workers."""
        if not run.unclaimed or run.pool is None:
            return self._hosts.view(run)
        lack = None if self._roll is None else self._roll.lack(run.pool, run.requires)
        return RunView.stored(run, lack)

    def follow(self, run_id: UUID) -> AbstractAsyncContextManager[Watched | None]:
        """Hold a run for somebody who watches it; None: nobody here can follow it."""
        return self._hosts.follow(run_id)

    async def until_claimed(self, run_id: UUID) -> AsyncIterator[RunView]:
        """Wait until a run has a host, or has ended; yield it at first and as it changes."""
        told, pause = None, FIRST_LOOK_SECONDS
        while self.live(run_id) is None:
            run = await self._claims.look(run_id)
            if self._roll is not None:
                await self._roll.look_for([run])
            is_being_claimed = run.host == self._host and run.state is RunState.QUEUED
            if not run.unclaimed and not (is_being_claimed and run.pool is not None):
                return
            view = self.view(run)
            if run.unclaimed and view != told:
                told = view
                yield view
            await asyncio.sleep(pause)
            pause = min(LONGER * pause, LOOK_SECONDS)

    async def queue(self, run: Run) -> RunView:
        """Have a run started, or let workers have it; harmless when that is done already."""
        if run.unclaimed:
            return self.view(await self._unclaimed.take(run))
        return await self._hosts.queue(run)

    async def stop(self, run: Run, *, signal: str, grace_seconds: float) -> RunView:
        """End a run; one that no host has ends at once."""
        if run.unclaimed:
            ended = await self._unclaimed.end(run.id, outcome.stopped_in_queue())
            if ended is not None:
                return ended
            run = await self._claims.look(run.id)  # somebody has just claimed it
            if run.state.final:
                raise NoActiveRunError(f"The run has ended already ({run.state}).")
        if run.pool is not None and run.host == self._host:
            await self._settled()
        return await self._hosts.stop(run, signal=signal, grace_seconds=grace_seconds)

    async def signal(self, run: Run, name: str) -> RunView:
        """Send a signal to a run's process group."""
        return await self._hosts.signal(run, name)
