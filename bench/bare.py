"""The least that the way over NATS costs: a worker's run with hardly any code in its processes.

`python -m bench.bare PORT URL CA_FILE SEED_FILE COMMAND…` serves one viewer. `cat` takes what the
command writes, as a keeper does; a process hands it to nats-py, as a worker does; another sends the
viewer what nats-py has got, as a server does. Both have TLS and a server's key.
"""

import asyncio
import os
import shlex
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg

from bench import peers
from bench.relay import ANSWER, SLAB_BYTES, accept
from bench.viewers import Stream
from server.wire import subjects
from server.wire.keys import UserKey

SUBJECT, END = f"{subjects.PREFIX}.bare", b""


class Engine(NamedTuple):
    """Where NATS is, who has signed its certificate, and the seed of a key that it knows."""

    url: str
    ca_file: Path
    seed_file: Path


@contextmanager
def over(engine: Engine, command: list[str]) -> Iterator[Stream]:
    """Serve what a command writes."""
    with peers.relay([*map(str, engine), *command], "bench.bare") as stream:
        yield stream


@asynccontextmanager
async def connected(engine: Engine) -> AsyncIterator[Client]:
    key, client = UserKey.read(engine.seed_file, "SEED_FILE"), Client()
    client._public_nkey = key.public  # noqa: SLF001  else it wants a library for keys
    tls = ssl.create_default_context(cafile=engine.ca_file)
    await client.connect(engine.url, tls=tls, signature_cb=key.sign)
    yield client
    await client.drain()


async def say(engine: Engine, command: list[str]) -> None:
    async with connected(engine) as client:
        process = await asyncio.create_subprocess_shell(
            f"{shlex.join(command)} | cat", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        await client.publish(SUBJECT, ANSWER)
        while data := await process.stdout.read(SLAB_BYTES):
            await client.publish(SUBJECT, data)
        await client.publish(SUBJECT, END)


async def hear(engine: Engine, viewer: socket.socket, listens: int) -> None:
    ended = asyncio.Event()

    async def take(message: Msg) -> None:
        viewer.sendall(message.data)
        if message.data == END:
            ended.set()

    async with connected(engine) as client:
        await client.subscribe(SUBJECT, cb=take)
        await client.flush()
        os.write(listens, b"\n")
        await ended.wait()


def main() -> None:
    port, url, ca_file, seed_file, *command = sys.argv[1:]
    engine = Engine(url, Path(ca_file), Path(seed_file))
    listening, listens = os.pipe()
    with accept(int(port)) as viewer:
        if (speaker := os.fork()) == 0:
            os.read(listening, 1)
            asyncio.run(say(engine, command))
            os._exit(0)
        asyncio.run(hear(engine, viewer, listens))
        os.waitpid(speaker, 0)


if __name__ == "__main__":
    main()
