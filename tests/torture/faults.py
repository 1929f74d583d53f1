"""What is done to a site while runs and viewers go on: each kind of fault in a loop of its own."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.state import LOCK_FILE
from tests.torture.database import TorturedDatabase
from tests.torture.keeper_watch import KeeperWatch
from tests.torture.server import Server
from tests.torture.site import EX_CONFIG, KEEPERS_FAILPOINTS, SERVERS_FAILPOINTS, Site

GIVE_WAY_SECONDS = 5.0
UPTIME_SECONDS = 0.8
DATABASE_UPTIME_SECONDS = 6.0
DATABASE_UPTIME_SHARE = 0.25
"""The database is there so long on the average, and for such a share of its longest outage:
servers that are killed meanwhile need time to find it there again."""

FOREVER_SECONDS = 1e6

Way = Callable[[Server], Awaitable[None]]
Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class Faults:
    """Breaks a site, by chance of `random`, in the ways named by `kinds`."""

    def __init__(
        self,
        site: Site,
        keeper: KeeperWatch,
        database: TorturedDatabase,
        random: random.Random,
        kinds: frozenset[str],
        *,
        outage_seconds: float,
    ) -> None:
        self._site = site
        self._tally = site.tally
        self._keeper = keeper
        self._database = database
        self._random = random
        self._kinds = kinds
        self._outage_seconds = outage_seconds

    def loops(self) -> list[Loop]:
        """Return the loops, each of which breaks things until the event is set, and mends them."""
        chosen: dict[str, Loop] = {
            "keeper": self._break_keeper,
            "renew": self._renew,
            "database": self._break_database,
        }
        return [self._break_server, *(loop for kind, loop in chosen.items() if kind in self._kinds)]

    async def _pause(self, over: asyncio.Event, mean_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._random.uniform(0, 2 * mean_seconds)):
                await over.wait()

    def _ways(self) -> dict[Way, int]:
        """Return what may be done to a server, and how often."""
        ways: dict[Way, int] = {}
        if "server" in self._kinds:
            ways |= {self._kill: 14, self._kill_starting: 3, self._deploy: 2, self._pair: 1}
        if {"server", "keeper"} <= self._kinds:
            ways |= {self._kill_both: 1}
        if "freeze" in self._kinds:
            ways |= {self._freeze: 1, self._take_over: 2}
        return ways

    async def _break_server(self, over: asyncio.Event) -> None:
        ways = self._ways()
        while not over.is_set():
            server = await self._site.start(self._failpoints())
            await self._uptime(server, over, UPTIME_SECONDS if ways else FOREVER_SECONDS)
            if server.exit_status is not None:
                self._site.leave()
                self._site.judge_end(server)
            elif not over.is_set():
                [way] = self._random.choices([*ways], [*ways.values()])
                await way(server)
            await self._downtime(over)

    def _failpoints(self) -> str:
        if "server" not in self._kinds or self._random.random() < 0.7:
            return ""
        keepers = KEEPERS_FAILPOINTS if "keeper" in self._kinds else ()
        points = (*SERVERS_FAILPOINTS, *keepers)
        return f"{self._random.choice(points)}:{self._random.randint(1, 8)}"

    async def _uptime(self, server: Server, over: asyncio.Event, mean_seconds: float) -> None:
        """Wait until it is time to break the server, or it has ended."""
        ended = asyncio.create_task(server.ended(FOREVER_SECONDS))
        pause = asyncio.create_task(self._pause(over, mean_seconds))
        await asyncio.wait({ended, pause}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        pause.cancel()

    async def _downtime(self, over: asyncio.Event) -> None:
        """Usually none: the supervisor is quick; sometimes long enough for runs to end."""
        if self._random.random() < 0.3:
            await self._pause(over, 0.5)

    async def _kill(self, server: Server) -> None:
        self._site.leave()
        await server.kill()
        self._tally.count("kills of the server")

    async def _kill_starting(self, server: Server) -> None:
        await self._kill(server)
        another = await self._site.spawn()
        await another.ended(self._random.uniform(0.1, 0.8))
        if another.exit_status is None:
            await another.kill()
        if another.exit_status == -signal.SIGKILL:
            self._tally.count("kills of the server")
            self._tally.count("kills of the server: while it starts")
        else:
            self._site.judge_end(another)

    async def _kill_both(self, server: Server) -> None:
        self._kill_keeper()
        await self._kill(server)
        self._tally.count("kills of the server: with its keeper")

    async def _deploy(self, _: Server) -> None:
        """End it in order; the next one is started as a new version would be."""
        await self._site.end_server()
        self._tally.count("deploys")

    async def _pair(self, server: Server) -> None:
        """Start two at once in its place: one serves, the other refuses and says why."""
        await self._kill(server)
        pair = [await self._site.spawn() for _ in range(2)]
        serving = await asyncio.gather(*(one.serves() for one in pair))
        if serving.count(True) == 2:
            self._tally.violation("two servers serve one state directory")
        for one, serves in zip(pair, serving, strict=True):
            if serves:
                await self._kill(one)
            elif one.exit_status != EX_CONFIG:
                self._tally.violation(f"one of two servers ended with {one.exit_status}")
        self._tally.count("pairs of servers")

    async def _freeze(self, server: Server) -> None:
        """Freeze the server; it goes on where it was."""
        self._site.leave()
        server.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.uniform(0.1, 3))
        server.signal(signal.SIGCONT)
        self._tally.count("freezes of the server")
        self._site.serve(server)
        await asyncio.sleep(self._random.uniform(0, 0.5))
        await self._kill(server)

    async def _take_over(self, server: Server) -> None:
        """Freeze the server, have another one take its place, and wake the first: it must end."""
        self._site.leave()
        server.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.uniform(0, 0.5))
        (self._site.state_dir / LOCK_FILE).unlink()
        another = await self._site.start()
        await asyncio.sleep(self._random.uniform(0, 1))
        server.signal(signal.SIGCONT)
        self._tally.count("freezes of the server")
        self._tally.count("take-overs")
        status = await server.ended(GIVE_WAY_SECONDS)
        if status != os.EX_TEMPFAIL:
            self._tally.violation(f"a server whose place was taken woke, and: {status}")
            await server.kill()
        await self._kill(another)

    async def _break_keeper(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self._pause(over, 15)
            self._kill_keeper()

    def _kill_keeper(self) -> None:
        pid = self._keeper.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _renew(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self._pause(over, 10)
            if self._keeper.pid is None:
                continue
            client = KeeperClient(self._site.state_dir)
            try:
                await client.renew()
                self._tally.count("renewals of the keeper")
            except KeeperError:
                self._tally.count("renewals that failed with their keeper")
            finally:
                await client.close()

    async def _until_served(self, over: asyncio.Event) -> None:
        """Wait until a server serves, or all is over."""
        waiting = {asyncio.create_task(over.wait()), asyncio.create_task(self._site.address())}
        _, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()

    async def _break_database(self, over: asyncio.Event) -> None:
        rest = DATABASE_UPTIME_SHARE * self._outage_seconds
        while not over.is_set():
            await self._until_served(over)
            await self._pause(over, max(DATABASE_UPTIME_SECONDS, rest))
            [way] = self._random.choices([self._stop_database, self._freeze_database], [3, 2])
            await way(self._random.uniform(0.5, self._outage_seconds))

    async def _stop_database(self, seconds: float) -> None:
        if self._random.random() < 0.5:
            self._database.kill()
        else:
            await self._database.stop_immediately()
        await asyncio.sleep(seconds)
        await self._database.start()
        self._tally.count("stops of the database")

    async def _freeze_database(self, seconds: float) -> None:
        self._database.freeze()
        await asyncio.sleep(seconds)
        self._database.thaw()
        self._tally.count("freezes of the database")
