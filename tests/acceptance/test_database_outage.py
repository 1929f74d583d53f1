"""A PostgreSQL of the test's own is stopped, frozen, full, locked: what can go on goes on."""

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import psycopg2
import pytest

from server.repositories.database import migrate
from server.resources import migrations_directory
from tests.acceptance.conftest import ended
from tests.support.client import Client, Start, Watched, watch
from tests.support.numbered import Numbered
from tests.support.postgres import execute
from tests.support.service import Service
from tests.support.waiting import patience, until, until_true
from tests.torture.database import TorturedDatabase

TIMEOUT_SECONDS = 3.0
"""What the service waits for the database, in these tests: more than a busy machine takes."""

MAX_LAG = 'tailrun_event_loop_lag_seconds_bucket{le="1.0"} '
ALL_LAGS = "tailrun_event_loop_lag_seconds_count "


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[TorturedDatabase, str]]:
    """Run a PostgreSQL; yields it with its URL."""
    database = TorturedDatabase(directory / "database")
    try:
        yield database, await database.set_up()
    finally:
        await database.end()


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[tuple[TorturedDatabase, str]]:
    """Run a PostgreSQL of the test's own."""
    async with running(tmp_path) as found:
        yield found


@pytest.fixture
def database(postgres: tuple[TorturedDatabase, str]) -> TorturedDatabase:
    return postgres[0]


@pytest.fixture
def database_url(postgres: tuple[TorturedDatabase, str]) -> str:
    """Put the service on the test's own PostgreSQL."""
    return postgres[1]


class Load:
    """Runs that write numbered lines, each watched by a viewer from its first byte on."""

    def __init__(self, client: Client, directory: Path) -> None:
        self._client = client
        self._scripts = [Numbered(directory, seed, exitcode=seed) for seed in range(4)]
        self._stack = AsyncExitStack()
        self._streams: list[aiohttp.ClientWebSocketResponse] = []
        self._told: list[bytes] = []
        self._runs: list[str] = []

    async def __aenter__(self) -> Self:
        self._runs = [await self._client.run(script.script) for script in self._scripts]
        for run_id in self._runs:
            stream = self._client.connect(run_id, format="raw")
            self._streams.append(await self._stack.enter_async_context(stream))
        self._told = [b""] * len(self._runs)
        await self.go_on()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def go_on(self, count: int = 50_000) -> None:
        """Return when the viewer of every run that has not ended was told so many more bytes."""
        for number, stream in enumerate(self._streams):
            if stream.closed:
                continue
            enough = len(self._told[number]) + count
            while len(self._told[number]) < enough:
                self._told[number] += (await stream.receive()).data

    async def end(self, number: int) -> None:
        """End a run; its viewer must be told the end and, before, each byte once."""
        self._scripts[number].end()
        async with patience():
            watched: Watched = await watch(self._streams[number])
        assert (watched.code, watched.reason) == (1000, f"exit {number}")
        told = self._told[number] + b"".join(watched.messages)
        assert told == self._scripts[number].output

    async def assert_archived(self) -> None:
        """Wait until all runs are in the database; they must be there to the byte."""
        for run_id, script in zip(self._runs, self._scripts, strict=True):
            spool = self._client.service.state_dir / "spool" / run_id
            await until(lambda: not spool.exists())  # noqa: B023
            run = await self._client.get_run(run_id)
            assert (run["exitcode"], run["output_bytes"]) == (script.exitcode, len(script.output))
            assert await self._client.output(run_id) == script.output

    async def end_all(self, *numbers: int) -> None:
        for number in numbers:
            await self.end(number)


async def refused(client: Client) -> dict[str, str]:
    """Ask for a run; it must be refused for a while."""
    body = {"name": "test", "script": "true"}
    async with patience(), client.session.post(client.url("commands/"), json=body) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        answer: dict[str, str] = await response.json()
    return answer


async def until_runs_start(client: Client) -> None:
    async def started() -> bool:
        body = {"name": "test", "script": "true"}
        async with client.session.post(client.url("commands/"), json=body) as response:
            assert response.status in {201, 503}
            return response.status == 201

    await until_true(started)


async def figures(client: Client) -> str:
    async with client.session.get(client.page_url("/metrics")) as response:
        return await response.text()


async def late_wakes(client: Client) -> int:
    """Return how often the event loop was more than a second late.

    Once more proves nothing: the machine may have been busy. What blocks, blocks each call.
    """
    text = await figures(client)
    in_time, of_all = (
        float(re.search(f"^{re.escape(name)}(.*)$", text, re.MULTILINE)[1])  # type: ignore[index]
        for name in (MAX_LAG, ALL_LAGS)
    )
    return round(of_all - in_time)


async def test_a_database_that_is_stopped_under_load_is_made_up_for(
    start: Start, database: TorturedDatabase, tmp_path: Path
) -> None:
    client = await start(database_timeout_seconds=str(TIMEOUT_SECONDS))
    async with Load(client, tmp_path) as load:
        late_before = await late_wakes(client)
        await database.stop_immediately()
        await load.go_on()
        await load.end_all(0, 1)
        await refused(client)
        assert await late_wakes(client) <= late_before + 1
        await database.start()
        await until_runs_start(client)
        await load.go_on()
        await load.end_all(2, 3)
        await load.assert_archived()


async def test_a_database_that_is_frozen_holds_up_nothing_else(
    start: Start, database: TorturedDatabase, tmp_path: Path
) -> None:
    """For several times the time-out, with more calls waiting than there are connections.

    What was refused is not stored later, when the database reads what it was sent.
    """
    client = await start(database_timeout_seconds=str(TIMEOUT_SECONDS), database_connections="4")
    async with Load(client, tmp_path) as load:
        late_before = await late_wakes(client)
        database.freeze()
        frozen_at = time.monotonic()
        calls = [asyncio.create_task(refused(client)) for _ in range(8)]
        await load.go_on()
        await asyncio.gather(*calls)
        await load.end_all(0, 1)
        while time.monotonic() - frozen_at < 4 * TIMEOUT_SECONDS:
            await load.go_on(5_000)
        await refused(client)
        await until(lambda: "did not answer in time" in client.service.log)
        assert await late_wakes(client) <= late_before + 1
        database.thaw()
        await until_runs_start(client)
        await load.go_on()
        await load.end_all(2, 3)
        await load.assert_archived()
    assert len((await client.call("GET", "commands/"))["items"]) == 5


async def test_a_run_is_stopped_while_every_connection_waits(
    start: Start, database_url: str
) -> None:
    """Somebody has locked the table; the Archiver waits, and so does a list."""
    client = await start(database_connections="2", database_timeout_seconds="600")
    run_id = await client.run("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done")
    async with client.connect(run_id, format="json") as stream:
        while (await stream.receive_json())["type"] != "output":
            pass
        with closing(psycopg2.connect(database_url)) as locking, locking.cursor() as cursor:
            cursor.execute("LOCK TABLE commands_info")
            listing = asyncio.create_task(client.call("GET", "runs/"))
            async with patience():
                assert (await client.stop(run_id))["stopping"]
                messages = (await watch(stream, as_json=True)).messages
            assert (messages[-1]["type"], messages[-1]["exitcode"]) == ("end", 3)
            assert not listing.done()
            locking.rollback()
        assert len((await listing)["items"]) == 1
    await until(lambda: not (client.service.state_dir / "spool" / run_id).exists())
    assert (await client.get_run(run_id))["state"] == "stopped"
    assert (await client.output(run_id)).startswith(b"up\n")


async def test_a_database_that_was_made_read_only_takes_no_runs_and_shows_all(
    start: Start, database_url: str, tmp_path: Path
) -> None:
    """As a standby does that a failover has not made the primary yet."""
    client = await start(database_timeout_seconds=str(TIMEOUT_SECONDS))
    server = urlsplit(database_url)._replace(path="/template1").geturl()
    throw_out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
    async with Load(client, tmp_path) as load:
        execute(server, "ALTER DATABASE postgres SET default_transaction_read_only = on", throw_out)
        await load.go_on()
        assert "is read-only" in (await refused(client))["detail"]
        await until(lambda: "read-only" in client.service.log)
        assert len((await client.call("GET", "runs/"))["items"]) == 4
        await load.end_all(0, 1)
        execute(server, "ALTER DATABASE postgres RESET default_transaction_read_only")
        await until_runs_start(client)
        await load.end_all(2, 3)
        await load.assert_archived()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk."""
    directory = tmp_path / "disk"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tmpfs", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a disk can be mounted by root alone")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


async def test_a_database_whose_disk_is_full_takes_up_again_where_it_stood(
    small_disk: Path, tmp_path: Path
) -> None:
    """Random bytes are as many in the database; it may crash and recover while it is full."""
    ballast = small_disk / "ballast"
    async with running(small_disk) as (database, url), aiohttp.ClientSession() as session:
        execute(url, "ALTER SYSTEM SET max_wal_size = '32MB'", "SELECT pg_reload_conf()")
        await migrate.apply(url, migrations_directory())
        async with ended(Service(tmp_path / "state", url)) as service:
            client = Client(session, await service.start())
            gate, copy = tmp_path / "gate", tmp_path / "copy"
            wait = f"while ! [ -e {gate} ]; do sleep 0.05; done"
            run_id = await client.run(f"{wait}; head -c 8000000 /dev/urandom | tee {copy}")
            fill(ballast)
            gate.touch()
            assert (await client.stream(run_id, format="raw")).reason == "exit 0"
            await until(lambda: "archive paused" in service.log)
            assert (await client.get_run(run_id))["output_bytes"] == 8_000_000
            ballast.unlink()
            await database.start()
            await until(lambda: not (service.state_dir / "spool" / run_id).exists())
            assert await client.output(run_id) == copy.read_bytes()


def fill(ballast: Path) -> None:
    """Take all the space there is."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


async def test_the_embedded_database_is_started_again_when_it_died(tmp_path: Path) -> None:
    async with (
        aiohttp.ClientSession() as session,
        ended(Service(tmp_path / "state", None)) as service,
    ):
        client = Client(session, await service.start())
        async with Load(client, tmp_path) as load:
            TorturedDatabase(service.state_dir / "database").kill()
            await load.go_on()
            await load.end_all(0, 1)
            await until_runs_start(client)
            await load.end_all(2, 3)
            await load.assert_archived()
        await until(lambda: "embedded database died" in service.log)
