"""The site of a torture of many hosts: two servers, workers, NATS, PostgreSQL, lines between."""

import asyncio
import random
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from server.services.tasks import cancel_and_wait
from tests.support.cluster import Cluster
from tests.support.service import Service
from tests.torture.database import TorturedDatabase
from tests.torture.hosts.host import Host, noted
from tests.torture.hosts.line import Line
from tests.torture.oracle import History, Interval
from tests.torture.tally import Tally

LEASE_SECONDS = 12
"""As short as it may be."""

PLACES = 8

SETTINGS = {
    "max_concurrent_runs": f"{PLACES}",
    "min_free_bytes": "0",
    "stop_grace_seconds": "1",
    "database_timeout_seconds": "2",
}


class Fleet:
    """All hosts in one directory, with directories where scripts note what they do.

    `broken` is when a server, NATS or the database was: what workers say may come late then.
    """

    def __init__(
        self, directory: Path, tally: Tally, random: random.Random, *, workers: int
    ) -> None:
        self.tally = tally
        self.starts = directory / "starts"
        self.ends = directory / "ends"
        self.notes = directory / "notes"
        self.database = TorturedDatabase(directory / "database")
        self.database_url = ""
        self.servers: list[Host] = []
        self.workers: list[Host] = []
        self.broken: list[Interval] = []
        self._directory = directory
        self._random = random
        self._worker_count = workers
        self._stack = AsyncExitStack()

    @property
    def hosts(self) -> list[Host]:
        """Servers and workers."""
        return [*self.servers, *self.workers]

    @property
    def pools(self) -> list[str]:
        """The pools that one worker alone has."""
        return [f"pool{number + 1}" for number in range(self._worker_count)]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def address(self) -> str:
        """Wait until a server serves, and return the address of one that does."""
        while not (serving := [one for one in self.servers if one.serving.is_set()]):
            waiting = [asyncio.create_task(one.serving.wait()) for one in self.servers]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
        return await self._random.choice(serving).address()

    def attended(self, start: float, end: float) -> bool:
        """Whether some server served all the time from `start` to `end`."""
        return any(one.attended(start, end) for one in self.servers)

    def history(self, host: str | None) -> History:
        """Return what became of a host's keepers; None: of those of all."""
        chosen = [one.history for one in self.hosts if host in {None, one.name}]
        return History(
            [death for one in chosen for death in one.keeper_deaths],
            [interval for one in chosen for interval in one.unheld],
        )

    def troubles(self, host: str | None) -> list[Interval]:
        """Return when something was broken that a host needs, or any host for None."""
        return [*self.broken, *self.host_troubles(host)]

    def host_troubles(self, host: str | None) -> list[Interval]:
        """Return when something was done to a host itself, or it did not serve; None: to any."""
        chosen = [one for one in self.hosts if host in {None, one.name}]
        return [interval for one in chosen for interval in (*one.troubles, *one.away)]

    def unheard(self, host: str | None) -> list[Interval]:
        """Return when servers cannot have heard of a host."""
        return [interval for one in self.hosts if one.name == host for interval in one.unheard]

    def breaking(self) -> AbstractContextManager[None]:
        """Note that something is broken that all workers need."""
        return noted(self.broken)

    def note(self, text: str) -> None:
        """Note in a file what is done, for whoever reads why something went wrong."""
        with (self._directory / "rounds.log").open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S.%f} {text}\n")

    async def until_well(self) -> None:
        """Wait until all serve; whatever was done to them has been mended."""
        for one in self.hosts:
            async with one.busy:
                await one.address()

    async def _start(self, stack: AsyncExitStack) -> None:
        for path in (self.starts, self.ends, self.notes):
            path.mkdir()
        stack.push_async_callback(self.database.end)
        self.database_url = await self.database.set_up()
        cluster = Cluster(self._directory, self.database_url, workers=self._worker_count)
        self.nats = cluster.nats
        for place in cluster.servers:
            self.servers.append(await self._add(stack, place))
        cluster.servers[0].address = await self.servers[0].address()
        await cluster.let_in(places=PLACES)
        stack.push_async_callback(self.nats.kill)
        await self.nats.start()
        for worker in cluster.workers:
            self.workers.append(await self._add(stack, worker, "worker"))
        await self.until_well()

    async def _add(self, stack: AsyncExitStack, place: Service, *arguments: str) -> Host:
        nats = await self._line(
            stack, Line(partial(asyncio.open_connection, "127.0.0.1", self.nats.port))
        )
        url = urlsplit(self.database_url)
        socket = Path(parse_qs(url.query)["host"][0]) / ".s.PGSQL.5432"
        database = await self._line(stack, Line(partial(asyncio.open_unix_connection, socket)))
        place.set(
            **SETTINGS,
            working_directory=str(self._directory),
            nats_url=self.nats.url.replace(f":{self.nats.port}", f":{nats.port}"),
        )
        if not arguments:
            place.set(lease_seconds=f"{LEASE_SECONDS}")
            at = url._replace(netloc=f"postgres@127.0.0.1:{database.port}", query="")
            place.set(database_url=at.geturl())
        host = Host(place, arguments, self.tally, nats, database)
        stack.push_async_callback(host.end)
        for task in (host.keep(), host.keeper.watch()):
            stack.push_async_callback(cancel_and_wait, asyncio.create_task(task))
        return host

    async def _line(self, stack: AsyncExitStack, line: Line) -> Line:
        await line.start()
        stack.push_async_callback(line.end)
        return line
