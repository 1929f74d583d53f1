"""Looking up a database's hosts: beside the event loop, in bounded time."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from psycopg2.extensions import parse_dsn

from server.errors import DatabaseUnavailableError
from server.repositories.database.database import Database
from server.repositories.database.names import targets
from tests.support.waiting import until

NAME = "database.invalid"


@pytest.fixture
async def port(database_url: str) -> AsyncIterator[int]:
    """Make the session's server, which has a Unix socket alone, reachable by TCP."""
    parameters = parse_dsn(database_url)
    path = f"{parameters['host']}/.s.PGSQL.{parameters['port']}"
    connections: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        for source, sink in ((reader, inner_writer), (inner_reader, writer)):
            connections.add(asyncio.create_task(copy(source, sink)))

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as listener:
        yield int(listener.sockets[0].getsockname()[1])
        if connections:
            await asyncio.wait(connections)


Answer = Callable[[str], list[str]]


@pytest.fixture
def look_up(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Let the name service answer with what a function returns."""

    def use(answer: Answer) -> None:
        def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_INET, 1, 6, "", (address, 0)) for address in answer(host)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return use


def database_at(database_url: str, hosts: str, **arguments: Any) -> Database:
    name = urlsplit(database_url).path[1:]
    return Database(f"postgresql://postgres@{hosts}/{name}", **arguments)


async def test_a_name_is_looked_up_while_the_event_loop_goes_on(
    database_url: str, port: int, look_up: Callable[[Answer], None]
) -> None:
    asked, answering = threading.Event(), threading.Event()

    def slow(host: str) -> list[str]:
        assert host == NAME
        asked.set()
        assert answering.wait(20)
        return ["127.0.0.1"]

    look_up(slow)
    database = database_at(database_url, f"{NAME}:{port}")
    opening = asyncio.create_task(database.open())
    await until(asked.is_set)
    answering.set()
    await opening
    assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


async def test_a_name_service_that_is_away_is_not_waited_for(
    database_url: str, look_up: Callable[[Answer], None]
) -> None:
    answering = threading.Event()

    def never(_: str) -> list[str]:
        answering.wait(60)
        return []

    look_up(never)
    database = database_at(database_url, NAME, statement_timeout_seconds=0.2)
    with pytest.raises(DatabaseUnavailableError, match="did not answer in time"):
        await database.open()
    answering.set()


async def test_all_addresses_of_all_hosts_are_tried(
    database_url: str, port: int, look_up: Callable[[Answer], None]
) -> None:
    addresses = {"one.invalid": ["127.0.0.9", "127.0.0.8"], "two.invalid": ["127.0.0.1"]}

    def answer(host: str) -> list[str]:
        if host not in addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return addresses[host]

    look_up(answer)
    hosts = f"none.invalid:1,one.invalid:{port},two.invalid:{port}"
    database = database_at(database_url, hosts)
    await database.open()
    assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


async def test_a_name_that_is_unknown_is_told(database_url: str) -> None:
    database = database_at(database_url, NAME)
    with pytest.raises(DatabaseUnavailableError, match=f"{NAME} could not be looked up"):
        await database.open()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///name",
        "postgresql:///name?host=/run/postgresql",
        "postgresql://127.0.0.1:5433/name",
        "postgresql://[::1]/name",
        "postgresql://name.invalid/name?hostaddr=127.0.0.1",
        "postgresql:///name?hostaddr=127.0.0.1",
    ],
)
async def test_what_needs_no_look_up_is_left_as_it_is(
    url: str, look_up: Callable[[Answer], None]
) -> None:
    look_up(lambda host: pytest.fail(f"{host} was looked up"))
    assert await targets(parse_dsn(url)) == [parse_dsn(url)]


async def test_hosts_are_told_one_at_a_time(look_up: Callable[[Answer], None]) -> None:
    look_up(lambda _: ["192.0.2.1", "2001:db8::1"])
    parameters = {"host": "/run,name.invalid,192.0.2.2", "port": "1,2,3", "dbname": "name"}
    places = [
        {"host": "/run", "port": "1"},
        {"host": "name.invalid", "hostaddr": "192.0.2.1", "port": "2"},
        {"host": "name.invalid", "hostaddr": "2001:db8::1", "port": "2"},
        {"host": "192.0.2.2", "port": "3"},
    ]
    assert await targets(parameters) == [{"dbname": "name"} | place for place in places]


async def test_addresses_that_are_given_are_told_with_their_hosts() -> None:
    parameters = {"host": "a.invalid,b.invalid", "hostaddr": "192.0.2.1,192.0.2.2"}
    assert await targets(parameters) == [
        {"host": "a.invalid", "hostaddr": "192.0.2.1"},
        {"host": "b.invalid", "hostaddr": "192.0.2.2"},
    ]
