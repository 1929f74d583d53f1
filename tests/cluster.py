"""`make cluster`: several hosts on this machine, to be tried, and to be broken.

PostgreSQL, NATS, two servers and three workers, each a process of its own under TAILRUN_STATE_DIR
(or `.cluster`). Whatever dies stays dead: nobody starts it again.
"""

import asyncio
import os
import signal
from pathlib import Path

from server.repositories.embedded.server import EmbeddedDatabase
from tests.support.cluster import Cluster, pools_of


async def main() -> None:
    """Run it until it is told to end."""
    directory = Path(os.environ.get("TAILRUN_STATE_DIR") or ".cluster").absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    database = EmbeddedDatabase(directory / "database")
    cluster = Cluster(directory, await database.start())
    try:
        await cluster.start()
        for server in cluster.servers:
            print(f"{server.address}/")
        print(_told(cluster), flush=True)
        await ended.wait()
    finally:
        await cluster.end()
        await database.stop()


def _told(cluster: Cluster) -> str:
    """Say who is who: what is to die is ended by its process."""
    lines = [f"NATS     process {cluster.nats.pid} at {cluster.nats.url}"]
    lines += [f"{one.state_dir.name}  process {one.pid}" for one in cluster.servers]
    for number, one in enumerate(cluster.workers):
        pools = ",".join(pools_of(number))
        lines.append(f"{one.state_dir.name}  process {one.pid}, of the pools {pools}")
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
