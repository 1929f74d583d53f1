"""What is done to a fleet: each host, NATS and the database are broken in a loop of their own.

A round is one thing that is broken, for a moment or for longer than a lease, and mended. One loop
has one worker after the other away until its runs are given up.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from typing import Any

from server.services.tasks import cancel_and_wait
from tests.torture.hosts.fleet import Fleet
from tests.torture.hosts.host import Host, noted
from tests.torture.hosts.line import BOTH_WAYS, Line, Way
from tests.torture.hosts.oracle import LOST_AFTER_SECONDS

UPTIME_SECONDS = 5.0
CENTRAL_UPTIME_SECONDS = 12.0
"""On the average, between two rounds of one loop: of a host, and of what all hosts need."""

BEYOND_LEASE_SECONDS = (2.0, 8.0)
"""What is broken for longer than a lease is so for so much longer."""

BEYOND_GIVING_UP_SECONDS = (15.0, 30.0)
BETWEEN_GIVING_UP_SECONDS = 8.0
"""On the average, between two rounds in which runs are given up."""

DECIDING_SECONDS = 20.0
"""So long before runs may be given up, those who decide it begin to be left alone.

A server gives up nothing before it, NATS and the database were well for a lease (12 s).
"""

BACK_SECONDS = 12.0
"""A host that was away for so long is left alone, as it does what was decided meanwhile."""

AWAY = ("killed", "frozen", "suspended with its runs", "parted from NATS", "not heard by NATS")
"""What has servers hear nothing of a host, and leaves somebody there to end what may not go on."""

Break = Callable[[float], Awaitable[None]]
Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class Faults:
    """Breaks a fleet, by chance of `random`; `brief`: nothing for longer than a moment."""

    def __init__(
        self, fleet: Fleet, random: random.Random, *, lease_seconds: float, brief: bool
    ) -> None:
        self._fleet = fleet
        self._random = random
        self._lease_seconds = lease_seconds
        self._brief = brief
        self._nats_busy = asyncio.Lock()
        self._database_busy = asyncio.Lock()

    def loops(self) -> Sequence[Loop]:
        """Return the loops, each of which breaks things until the event is set, and mends them."""
        fleet = self._fleet
        loops = [self._breaking_host(one, self._of_host(one, nullcontext)) for one in fleet.workers]
        loops += [self._breaking_host(one, self._of_server(one)) for one in fleet.servers]
        loops.append(self._breaking("all", self._of_nats(), self._nats_busy))
        loops.append(self._breaking("all", self._of_database(), self._database_busy))
        return loops if self._brief else [*loops, self._having_runs_given_up]

    def _breaking(
        self,
        of: str,
        rounds: Mapping[str, Break],
        busy: asyncio.Lock,
        uptime_seconds: float = CENTRAL_UPTIME_SECONDS,
    ) -> Loop:
        async def loop(over: asyncio.Event) -> None:
            bag: list[str] = []
            while not over.is_set():
                await self._pause(over, uptime_seconds)
                async with busy:
                    if over.is_set():
                        break  # it waited for long
                    bag = bag or self._random.sample([*rounds], len(rounds))
                    name = bag.pop()
                    await self._round(of, name, rounds[name], self._seconds())

        return loop

    def _breaking_host(self, host: Host, rounds: Mapping[str, Break]) -> Loop:
        kind = "server" if host in self._fleet.servers else "worker"
        named = {f"{kind} {name}": self._of(host, action) for name, action in rounds.items()}
        return self._breaking(host.name, named, host.busy, UPTIME_SECONDS)

    async def _round(self, of: str, name: str, action: Break, seconds: float) -> None:
        self._fleet.note(f"{of} {name} {seconds:.2f}")
        await action(seconds)
        self._fleet.note(f"{of} {name} is mended")
        self._count(name, seconds)

    async def _having_runs_given_up(self, over: asyncio.Event) -> None:
        """Have one worker after the other away until its runs are given up, and come back."""
        bag: list[tuple[Host, str]] = []
        while not over.is_set():
            await self._pause(over, BETWEEN_GIVING_UP_SECONDS)
            every = [(host, name) for name in AWAY for host in self._fleet.workers]
            bag = bag or self._random.sample(every, len(every))
            host, name = bag.pop()
            action = self._of(host, self._of_host(host, nullcontext)[name])
            seconds = LOST_AFTER_SECONDS + self._random.uniform(*BEYOND_GIVING_UP_SECONDS)
            async with host.busy, self._deciders_left_alone():
                await self._round(host.name, f"worker {name}", action, seconds)
                await asyncio.sleep(BACK_SECONDS)

    def _of(self, host: Host, action: Break) -> Break:
        """Return what is done to a host; for long, only if somebody is there to end its runs."""

        async def act(seconds: float) -> None:
            if seconds > self._lease_seconds:
                await host.address()
                await host.keeper.until_there()
            with noted(host.troubles):
                await action(seconds)

        return act

    @asynccontextmanager
    async def _deciders_left_alone(self) -> AsyncIterator[None]:
        """Leave NATS, the database and a server or two alone, once it is time to decide."""
        servers = self._random.sample(self._fleet.servers, self._random.randint(1, 2))

        async def leave_alone() -> None:
            await asyncio.sleep(LOST_AFTER_SECONDS - DECIDING_SECONDS)
            async with AsyncExitStack() as stack:
                for busy in (self._nats_busy, self._database_busy, *(one.busy for one in servers)):
                    await stack.enter_async_context(busy)
                self._fleet.note(f"left alone: {', '.join(one.name for one in servers)}")
                await asyncio.Event().wait()

        leaving = asyncio.create_task(leave_alone())
        try:
            yield
        finally:
            await cancel_and_wait(leaving)

    async def _pause(self, over: asyncio.Event, mean_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._random.uniform(0, 2 * mean_seconds)):
                await over.wait()

    def _seconds(self) -> float:
        """Draw how long something is broken: one of twelve for longer than a lease."""
        if self._brief:
            return self._random.uniform(0, 2)
        chance = self._random.random()
        if chance < 1 / 12:
            return self._lease_seconds + self._random.uniform(*BEYOND_LEASE_SECONDS)
        return self._random.uniform(0, 2) if chance < 0.7 else self._random.uniform(2, 8)

    def _count(self, name: str, seconds: float) -> None:
        self._fleet.tally.count("rounds")
        self._fleet.tally.count(f"rounds: {name}")
        if seconds > self._lease_seconds:
            self._fleet.tally.count("rounds longer than a lease")
        if seconds > LOST_AFTER_SECONDS:
            self._fleet.tally.count("rounds until runs are given up")

    def _of_server(self, host: Host) -> Mapping[str, Break]:
        line, breaking = host.database, self._fleet.breaking
        return {
            **self._of_host(host, breaking),
            "parted from the database": self._swallowed([line], BOTH_WAYS, breaking),
            "does not hear the database": self._swallowed([line], (Way.IN,), breaking),
            "cut from the database": self._cut([line]),
        }

    def _of_host(
        self, host: Host, breaking: Callable[[], AbstractContextManager[None]]
    ) -> Mapping[str, Break]:
        """Return what is done to any host, `breaking` while it is."""

        def meanwhile(action: Break) -> Break:
            async def act(seconds: float) -> None:
                with breaking():
                    await action(seconds)

            return act

        async def kill_keeper(_: float) -> None:
            host.kill_keeper()

        async def swallow_out(seconds: float, ways: Sequence[Way] = (Way.OUT,)) -> None:
            with host.unheard_meanwhile():
                await self._swallow([host.nats], ways, seconds)

        async def swallow_both(seconds: float) -> None:
            await swallow_out(seconds, BOTH_WAYS)

        return {
            "killed": meanwhile(host.kill),
            "killed with its keeper": meanwhile(host.kill_with_keeper),
            "frozen": meanwhile(host.freeze),
            "suspended with its runs": meanwhile(host.suspend),
            "keeper killed": kill_keeper,
            "keeper frozen": host.freeze_keeper,
            "parted from NATS": meanwhile(swallow_both),
            "not heard by NATS": meanwhile(swallow_out),
            "does not hear NATS": self._swallowed([host.nats], (Way.IN,), breaking),
            "cut from NATS": self._cut([host.nats]),
        }

    def _of_nats(self) -> Mapping[str, Break]:
        nats, breaking = self._fleet.nats, self._fleet.breaking

        async def kill(seconds: float) -> None:
            with breaking():
                await nats.kill()
                await asyncio.sleep(seconds)
                await nats.start()

        async def freeze(seconds: float) -> None:
            with breaking():
                await nats.freeze()
                await asyncio.sleep(seconds)
                nats.thaw()

        lines = [host.nats for host in self._fleet.hosts]
        return {
            "NATS killed": kill,
            "NATS frozen": freeze,
            "NATS parted from all": self._swallowed(lines, BOTH_WAYS, breaking),
            "NATS cut from all": self._cut(lines),
        }

    def _of_database(self) -> Mapping[str, Break]:
        database, breaking = self._fleet.database, self._fleet.breaking

        async def kill(seconds: float) -> None:
            with breaking():
                database.kill()
                await asyncio.sleep(seconds)
                await database.start()

        async def stop(seconds: float) -> None:
            with breaking():
                await database.stop_immediately()
                await asyncio.sleep(seconds)
                await database.start()

        async def freeze(seconds: float) -> None:
            with breaking():
                database.freeze()
                await asyncio.sleep(seconds)
                database.thaw()

        lines = [host.database for host in self._fleet.servers]
        return {
            "database killed": kill,
            "database stopped": stop,
            "database frozen": freeze,
            "database parted from all": self._swallowed(lines, BOTH_WAYS, breaking),
            "database cut from all": self._cut(lines),
        }

    def _swallowed(
        self,
        lines: Sequence[Line],
        ways: Sequence[Way],
        breaking: Callable[[], AbstractContextManager[None]],
    ) -> Break:
        async def act(seconds: float) -> None:
            with breaking():
                await self._swallow(lines, ways, seconds)

        return act

    async def _swallow(self, lines: Sequence[Line], ways: Sequence[Way], seconds: float) -> None:
        for line in lines:
            line.swallow(*ways)
        await asyncio.sleep(seconds)
        late = self._random.random() < 0.5
        for line in lines:
            line.mend(*ways, late=late)

    def _cut(self, lines: Sequence[Line]) -> Break:
        async def act(_: float) -> None:
            for line in lines:
                line.cut()

        return act
