"""The least that the way over NATS costs: a worker's run with hardly any code in its processes.

`python -m bench.bare PORT URL CA_FILE SEED_FILE COMMAND…` serves one viewer. `cat` takes what the
command writes, as a keeper does; a process hands it to nats-py, as a worker does; another sends the
viewer what nats-py has got, as a server does. Both have TLS and a server's key.

`handed` has one process ask another for a file's bytes, as a server asks a worker: block after
block, some of them at once. None is packed or archived, and nobody views them.
"""

import asyncio
import hashlib
import os
import shlex
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg

from bench import machine, peers
from bench.relay import ANSWER, SLAB_BYTES, accept
from bench.session import Figure
from bench.viewers import PROCESSES, Stream
from bench.write import MB
from server.services.hosts.remote_output import AHEAD_BLOCKS, BLOCK_BYTES
from server.wire import subjects
from server.wire.keys import UserKey

SUBJECT, END = f"{subjects.PREFIX}.bare", b""
ASKED, INBOX, ANSWER_SECONDS = f"{SUBJECT}.asked", f"{SUBJECT}.inbox", 30


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
    await client.connect(engine.url, tls=tls, signature_cb=key.sign, inbox_prefix=INBOX)
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


def handed(
    engine: Engine, engine_pid: int, command: list[str], path: Path, sha256: str
) -> Iterator[Figure]:
    """Measure how fast one process gets from another what a command has written before."""
    with path.open("wb") as file:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, check=True)
    room = bytearray(b"\1") * path.stat().st_size  # of memory that is there already
    with giving(engine, path) as giver:
        pids = {"giver": giver, "engine": engine_pid, "taker": os.getpid()}
        before = {who: machine.cpu_seconds(pid) for who, pid in pids.items()}
        seconds = asyncio.run(take_all(engine, room))
        details = {f"{who} CPU s": machine.cpu_seconds(pids[who]) - before[who] for who in pids}
    path.unlink()
    assert hashlib.sha256(room).hexdigest() == sha256, "other bytes were handed"
    yield Figure("delivered", len(room) / MB / seconds, "MB/s", details)


@contextmanager
def giving(engine: Engine, path: Path) -> Iterator[int]:
    """Have a process answer with blocks of a file; yields its pid, once it does."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_give, args=(engine, path, theirs))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _give(engine: Engine, path: Path, pipe: Connection) -> None:
    asyncio.run(give(engine, path, pipe))


async def give(engine: Engine, path: Path, pipe: Connection) -> None:
    with path.open("rb") as file:
        async with connected(engine) as client:

            async def answer(message: Msg) -> None:
                block = os.pread(file.fileno(), BLOCK_BYTES, int(message.data))
                await client.publish(message.reply, block)

            await client.subscribe(ASKED, cb=answer)
            await client.flush()
            pipe.send(os.getpid())
            await asyncio.Event().wait()


async def take_all(engine: Engine, room: bytearray) -> float:
    """Fill the room with what somebody gives; return how many seconds that took."""
    offsets = iter(range(0, len(room), BLOCK_BYTES))
    async with connected(engine) as client:

        async def take() -> None:
            for offset in offsets:
                answer = await client.request(ASKED, b"%d" % offset, timeout=ANSWER_SECONDS)
                room[offset : offset + BLOCK_BYTES] = answer.data

        start = time.monotonic()
        await asyncio.gather(*(take() for _ in range(1 + AHEAD_BLOCKS)))
        return time.monotonic() - start


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
