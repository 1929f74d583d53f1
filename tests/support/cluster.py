"""Several hosts on the loopback interface: NATS with TLS and keys, servers, workers."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from server.state import HOST_FILE
from tests.support.certificates import Pair, make_certificate
from tests.support.nats import SERVER_MAY, Host, Nats, new_host, worker_may
from tests.support.service import Service
from tests.support.worker import Worker

EVERY_POOL = "all"
MAX_PAYLOAD = 8 * 1024 * 1024


class Cluster:
    """Servers over one database, and workers: each of the pool `all`, and of one of its own.

    The first one's is `pool1`. What was made in the directory before is used again.
    """

    def __init__(
        self, directory: Path, database_url: str, *, servers: int = 2, workers: int = 3
    ) -> None:
        pair = _certificate(directory / "tls")
        self._keys: dict[str, str] = {}
        self.servers = [
            Service(directory / name, database_url, **self._meeting(directory, name, pair))
            for name in (f"server{number + 1}" for number in range(servers))
        ]
        self.workers = [
            Worker(
                directory / f"worker{number + 1}",
                None,
                worker_pools=",".join(pools),
                **self._meeting(directory, f"worker{number + 1}", pair, pools),
            )
            for number, pools in enumerate(
                [(EVERY_POOL, f"pool{one + 1}") for one in range(workers)]
            )
        ]
        self.nats = Nats(directory, pair=pair, keys=self._keys, max_payload=MAX_PAYLOAD)
        for process in (*self.servers, *self.workers):
            process.set(nats_url=self.nats.url)

    async def start(self) -> None:
        """Start all, the engine first; the first server makes the tables."""
        await self.nats.start()
        for process in (*self.servers, *self.workers):
            await process.start()

    async def end(self) -> None:
        """End all, with the runs that are left."""
        for process in (*self.workers, *self.servers):
            await process.terminate()
            await process.end_keeper()
        await self.nats.kill()

    def _meeting(
        self, directory: Path, name: str, pair: Pair, pools: tuple[str, ...] | None = None
    ) -> dict[str, str]:
        """Return the settings that let a host in; a server has no pools."""
        host = _host(directory, name)
        may = SERVER_MAY if pools is None else worker_may(host.name, pools)
        self._keys[host.key.public] = may
        return {"nats_seed_file": str(host.seed_file), "nats_ca_file": str(pair.certificate)}


@asynccontextmanager
async def cluster(
    directory: Path, database_url: str, *, servers: int = 2, workers: int = 1
) -> AsyncIterator[Cluster]:
    """Run a cluster."""
    made = Cluster(directory, database_url, servers=servers, workers=workers)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.end)
        await made.start()
        yield made


def _certificate(directory: Path) -> Pair:
    """Return the engine's certificate, which is made anew: it lasts for a day."""
    directory.mkdir(parents=True, exist_ok=True)
    return make_certificate(directory)


def _host(directory: Path, name: str) -> Host:
    """Give a state directory its identity, and that its key."""
    state = directory / name
    state.mkdir(mode=0o700, exist_ok=True)
    identity = state / HOST_FILE
    if not identity.exists():
        identity.write_text(f"{uuid.uuid4()}\n", encoding="utf-8")
    return new_host(directory, identity.read_text(encoding="utf-8").strip())
