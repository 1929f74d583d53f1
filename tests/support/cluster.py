"""Several hosts on the loopback interface: NATS with TLS and keys, servers, workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.support.certificates import Pair, make_certificate
from tests.support.nats import Nats
from tests.support.service import Service
from tests.support.worker import Worker

EVERY_POOL = "all"
MAX_PAYLOAD = 8 * 1024 * 1024


class Cluster:
    """Servers over one database, and workers: each of the pool `all`, and of one of its own.

    The first one's is `pool1`. The `settings` are the servers'. What was made in the directory
    before is used again. The engine lets in whom `tailrun nats-config` has told it of.
    """

    def __init__(
        self,
        directory: Path,
        database_url: str,
        *,
        servers: int = 2,
        workers: int = 3,
        **settings: str,
    ) -> None:
        pair = _certificate(directory / "tls")
        self.certificate = pair.certificate
        self._users = directory / "tailrun-users.conf"
        self.nats = Nats(directory, pair=pair, users=self._users, max_payload=MAX_PAYLOAD)
        meeting = {"nats_url": self.nats.url, "nats_ca_file": str(pair.certificate)}
        self.servers = [
            Service(directory / f"server{number + 1}", database_url, **meeting, **settings)
            for number in range(servers)
        ]
        self.workers = [
            Worker(
                directory / f"worker{number + 1}",
                self.nats.url,
                nats_ca_file=str(pair.certificate),
            )
            for number in range(workers)
        ]

    async def start(self) -> None:
        """Start all; the first server makes the tables, and lets the workers in."""
        for server in self.servers:
            await server.start()
        await self.let_in()
        await self.nats.start()
        for worker in self.workers:
            await worker.start()

    async def let_in(self, *, places: int = 100) -> None:
        """Have the first server, which is there, and the engine let the workers in."""
        first = self.servers[0]
        await asyncio.gather(
            *(
                worker.enrol(first, pools=pools_of(number), places=places)
                for number, worker in enumerate(self.workers)
            )
        )
        await self.renew_users()

    async def renew_users(self, *arguments: str) -> None:
        """Tell the engine, as it is when it starts, or with `--reload`, whom it is to let in."""
        said = ("nats-config", "--file", str(self._users), *arguments)
        code, text = await self.servers[0].refused(*said)
        assert code == 0, text

    async def end(self) -> None:
        """End all, with the runs that are left."""
        for process in (*self.workers, *self.servers):
            await process.terminate()
            await process.end_keeper()
        await self.nats.kill()


def pools_of(number: int) -> tuple[str, str]:
    """Return the pools of a worker, by its number from 0 on."""
    return (EVERY_POOL, f"pool{number + 1}")


@asynccontextmanager
async def cluster(
    directory: Path, database_url: str, *, servers: int = 2, workers: int = 1, **settings: str
) -> AsyncIterator[Cluster]:
    """Run a cluster, whose servers have these settings."""
    made = Cluster(directory, database_url, servers=servers, workers=workers, **settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.end)
        await made.start()
        yield made


def _certificate(directory: Path) -> Pair:
    """Return the engine's certificate, which is made anew: it lasts for a day."""
    directory.mkdir(parents=True, exist_ok=True)
    return make_certificate(directory)
