"""How many runs of `echo hi` can be started, and archived, a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import orjson

from bench import schedulers, wire
from bench.samples import Sample
from bench.session import Session, Taker
from bench.spawn import ECHO, spawned, spooled, stored
from bench.tailrun import Tailrun
from server.keeper.spool import Spool
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository

MEASURE = "starts"
RUNS = 1_000
AT_A_TIME = 16
POLL_SECONDS = 0.05
"""Between two looks at the database, each of which reads the whole table."""

ENDED = """
    SELECT count(*) FROM commands_info
    WHERE state = 'succeeded' AND exitcode = 0 AND output = E'hi\\n' AND output_bytes = 3
"""


def starts(session: Session) -> Iterator[Sample]:
    """Measure ours and bare asyncio spawning in turn."""
    runs = session.sized(RUNS, AT_A_TIME)
    taker = Taker(MEASURE, session)
    with session.tailrun() as service:
        for _ in range(session.runs):
            taker.look()
            yield from _ours(taker, service, runs)
            taker.look()
            yield _watched(taker, service, runs)
            yield from _schedulers(taker, session.directory, service, runs)
            yield from _bare(taker, session.directory, service, runs)


def _ours(taker: Taker, service: Tailrun, runs: int) -> Iterator[Sample]:
    """POST, 16 at a time, and wait until the last run's end is archived."""
    expected = _ended(service) + runs
    before, start = service.cpu(), time.monotonic()
    asyncio.run(_at_a_time(runs, _poster(service.port, watch=False)))
    posted = time.monotonic() - start
    while _ended(service) < expected:
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - start
    used = service.cpu().since(before)
    details = {f"{name} CPU ms/run": 1000 * spent / runs for name, spent in used._asdict().items()}
    yield taker.sample("started and archived", "tailrun", runs / seconds, "runs/s", details)
    yield taker.sample("POST answered", "tailrun", runs / posted, "runs/s")


def _watched(taker: Taker, service: Tailrun, runs: int) -> Sample:
    """POST and watch each run to its archived end, 16 at a time."""
    start = time.monotonic()
    asyncio.run(_at_a_time(runs, _poster(service.port, watch=True)))
    return taker.sample(
        "watched to the archived end", "tailrun", runs / (time.monotonic() - start), "runs/s"
    )


def _schedulers(taker: Taker, directory: Path, service: Tailrun, runs: int) -> Iterator[Sample]:
    if not schedulers.are_there():
        return
    taker.look()
    seconds = schedulers.cronstable_starts(directory, runs, AT_A_TIME)
    yield taker.sample("started and ended", "cronstable", runs / seconds, "runs/s")
    taker.look()
    seconds = schedulers.procrastinate_starts(service, runs, AT_A_TIME)
    yield taker.sample("started and ended", "procrastinate", runs / seconds, "runs/s")


def _bare(taker: Taker, directory: Path, service: Tailrun, runs: int) -> Iterator[Sample]:
    """Spawn in bare asyncio; then with a spool each; then with a row in the database each."""
    script, spool = directory / "script", Spool(directory / "spawned")
    script.write_text(ECHO, encoding="ascii")
    asyncio.set_child_watcher(asyncio.PidfdChildWatcher())

    async def plain(number: int) -> None:
        path = directory / f"spawned-{number}"
        await spawned(script, path)
        path.unlink()

    async def with_spool(_: int) -> None:
        await spooled(spool, str(uuid4()))

    async def all_plain() -> None:
        await _at_a_time(runs, lambda: plain)

    async def all_with_spool() -> None:
        await _at_a_time(runs, lambda: with_spool)

    async def all_with_row() -> None:
        database = Database(service.database_url)
        await database.open()
        commands, outputs = CommandRepository(database), OutputRepository(database)

        async def with_row(_: int) -> None:
            await stored(spool, commands, outputs)

        await _at_a_time(runs, lambda: with_row)
        await database.close()

    for who, work in (
        ("bare asyncio", all_plain),
        ("bare asyncio, a spool each", all_with_spool),
        ("bare asyncio, a spool and a row each", all_with_row),
    ):
        taker.look()
        start = time.monotonic()
        asyncio.run(work())
        seconds = time.monotonic() - start
        yield taker.sample("started and archived", who, runs / seconds, "runs/s")


async def _at_a_time(runs: int, worker: Callable[[], Callable[[int], Awaitable[None]]]) -> None:
    """Do something `runs` times, AT_A_TIME at a time, each by a worker of its own."""
    numbers = iter(range(runs))

    async def work() -> None:
        act = worker()
        for number in numbers:
            await act(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(work())


def _poster(port: int, *, watch: bool) -> Callable[[], Callable[[int], Awaitable[None]]]:
    """Return what makes workers that POST over a connection they keep."""
    host = f"127.0.0.1:{port}"
    body = {"name": "bench", "script": ECHO}
    request = wire.request("POST", "/api/v1/commands/", host, body=body)

    def worker() -> Callable[[int], Awaitable[None]]:
        streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def post(_: int) -> None:
            if not streams:
                streams.append(await asyncio.open_connection("127.0.0.1", port))
            reader, writer = streams[0]
            writer.write(request)
            head = await reader.readuntil(wire.HEADER_END)
            assert head.startswith(b"HTTP/1.1 201"), head
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            command = orjson.loads(await reader.readexactly(int(length)))
            if watch:
                await _watch(port, f"/api/v1/runs/{command['run']['id']}/ws?format=raw")

        return post

    return worker


async def _watch(port: int, path: str) -> None:
    """Watch a run to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(wire.handshake(path, f"127.0.0.1:{port}"))
        head = await reader.readuntil(wire.HEADER_END)
        assert head.startswith(b"HTTP/1.1 101"), head
        opcode = 0
        while opcode != wire.CLOSE:
            opcode, length = await reader.readexactly(2)
            opcode &= 15
            await reader.readexactly(length)
        writer.write(wire.masked(wire.CLOSE, wire.NORMAL_CLOSURE))


def _ended(service: Tailrun) -> int:
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(ENDED)
        [(count,)] = cursor.fetchall()
        return int(count)
