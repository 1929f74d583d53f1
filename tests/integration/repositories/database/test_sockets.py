"""Which socket a connection has: libpq may take another one while it connects."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from server.repositories.database.connections import TextConnection
from tests.support.relay import SSL_REQUEST, Relay
from tests.support.waiting import patience


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    directory = parse_qs(urlsplit(database_url).query)["host"][0]
    async with Relay(Path(directory) / ".s.PGSQL.5432") as relay:
        yield relay


@pytest.fixture
async def port(relay: Relay) -> AsyncIterator[int]:
    """Reach the database by a port where everybody who speaks TLS is thrown out."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(len(SSL_REQUEST))
        if first != SSL_REQUEST:
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", relay.port)
            inner.write(first)
            await asyncio.gather(_copy(reader, inner), _copy(inner_reader, writer))
        else:
            writer.write(b"S")
            await reader.read(1)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield int(listener.sockets[0].getsockname()[1])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def test_who_is_thrown_out_as_it_speaks_tls_connects_by_another_socket(
    database_url: str, port: int
) -> None:
    name = urlsplit(database_url).path[1:]
    dsn = f"host=127.0.0.1 port={port} user=postgres dbname={name} sslmode=prefer"
    async with patience():
        connection = await TextConnection.connect(dsn, 1e6)
        rows = await connection.execute(
            "SELECT current_database()", {}, deadline=None, timeout_seconds=1e6
        )
    assert rows == [(name,)]
    connection.close()


async def test_a_socket_that_failed_is_not_watched_any_more(
    database_url: str, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be another file's at once: a thread's, or that of somebody who connects."""
    name = urlsplit(database_url).path[1:]
    dsn = f"host=127.0.0.1 port={relay.port} user=postgres dbname={name} sslmode=disable"
    connection = await TextConnection.connect(dsn, 1e6)
    loop, fileno = asyncio.get_running_loop(), connection._connection.raw.fileno()
    with ExitStack() as taken:
        poll = connection._connection._conn.poll

        class Polling:
            """What a connection has beneath, whose socket's number is taken as it is closed."""

            def __getattr__(self, name: str) -> object:
                return getattr(poll.__self__, name)

            def poll(self) -> int:
                try:
                    return int(poll())
                finally:
                    if poll.__self__.closed:
                        taken.callback(os.close, os.dup2(relay_end, fileno))

        relay_end = os.open(os.devnull, os.O_RDONLY)
        taken.callback(os.close, relay_end)
        monkeypatch.setattr(connection._connection, "_conn", Polling())
        asking = asyncio.create_task(
            connection.execute("SELECT pg_sleep(100)", {}, deadline=None, timeout_seconds=1e6)
        )
        await asyncio.sleep(0)
        relay.cut()
        with pytest.raises(psycopg2.OperationalError):
            await asking
        assert not loop.remove_reader(fileno)
    connection.close()
