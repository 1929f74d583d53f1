"""The pool of connections: its bounds in time, and its errors."""

import asyncio
import os
import signal
import socket
from contextlib import closing
from urllib.parse import urlsplit

import aiopg
import pytest
from psycopg2.errors import UndefinedTable

from server.errors import DatabaseUnavailableError, StartupError
from server.repositories.database import Database
from tests.support.postgres import execute


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    database = Database(f"postgresql://me:pa%20ss@127.0.0.1:{free_port()}/name")
    with pytest.raises(DatabaseUnavailableError, match=r"name at 127\.0\.0\.1 port") as refused:
        await database.open()
    assert "pa ss" not in str(refused.value)
    assert refused.value.__cause__ is not None
    assert not await database.ready()


async def test_a_password_in_the_servers_own_words_is_hidden() -> None:
    """Here the name of the host, which the driver quotes, is the password as well."""
    database = Database("postgresql://me:nowhere.invalid@nowhere.invalid/name")
    with pytest.raises(DatabaseUnavailableError, match=r'host name "\*\*\*"'):
        await database.open()


@pytest.mark.parametrize(
    "url", ["http://me:secret@host/", "nonsense secret", "postgresql://[secret"]
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StartupError, match="postgresql://") as refused:
        Database(url)
    assert "secret" not in str(refused.value)


async def test_a_server_that_never_answers_does_not_hang_the_start() -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        database = Database(f"postgresql://127.0.0.1:{port}/name", statement_timeout_seconds=0.2)
        with pytest.raises(DatabaseUnavailableError, match="did not answer in time"):
            await database.open()


async def test_a_frozen_server_does_not_hang_a_call(database_url: str) -> None:
    database = Database(database_url, max_connections=1, statement_timeout_seconds=0.3)
    await database.open()
    [(pid,)] = await database.fetch_all("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(DatabaseUnavailableError, match="did not answer in time"):
            await database.fetch_one("SELECT 1")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


async def test_a_call_waits_for_a_connection_only_so_long(database_url: str) -> None:
    database = Database(database_url, max_connections=1, statement_timeout_seconds=0.3)
    await database.open()
    long = asyncio.create_task(database.fetch_all("SELECT pg_sleep(9)", timeout_seconds=9))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailableError, match="did not answer in time"):
        await database.fetch_one("SELECT 1")
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


async def test_a_statement_that_the_server_cancels_is_no_cancelled_task(
    database: Database,
) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    with pytest.raises(DatabaseUnavailableError, match="canceling statement"):
        await database.fetch_all("SET statement_timeout = 1; SELECT pg_sleep(9)")
    assert len(reported) == 1


async def test_a_connection_does_not_depend_on_the_servers_settings(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    for setting in (
        "TimeZone = 'Asia/Kathmandu'",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = 1",
    ):
        execute(database_url, f"SET statement_timeout = 0; ALTER DATABASE {name} SET {setting}")
    database = Database(database_url)
    await database.open()
    assert await database.fetch_one("SHOW TimeZone") == ("UTC",)
    assert await database.fetch_one("SHOW transaction_isolation") == ("read committed",)
    assert await database.fetch_one("SHOW statement_timeout") == ("16s",)
    await database.close()


async def test_a_connection_that_dies_in_a_call_is_replaced(database: Database) -> None:
    with pytest.raises(DatabaseUnavailableError):
        await database.fetch_all("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await database.ready()


async def test_a_connection_that_breaks_before_it_is_used_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[aiopg.Connection] = []
    set_up = Database._on_connect

    async def break_the_second(self: Database, connection: aiopg.Connection) -> None:
        await set_up(self, connection)
        made.append(connection)
        if len(made) == 2:
            await connection.close()

    monkeypatch.setattr(Database, "_on_connect", break_the_second)
    database = Database(database_url, max_connections=2)
    await database.open()
    answers = await asyncio.gather(*(database.fetch_one("SELECT pg_sleep(0.1)") for _ in range(2)))
    assert (answers, len(made)) == ([("",)] * 2, 3)
    await database.close()


async def test_a_wrong_statement_is_a_defect_and_not_an_outage(database: Database) -> None:
    with pytest.raises(UndefinedTable):
        await database.fetch_all("SELECT * FROM no_such_table")
    assert await database.fetch_one("SELECT 1") == (1,)


async def test_several_statements_are_one_transaction(database: Database) -> None:
    with pytest.raises(UndefinedTable):
        await database.fetch_all("CREATE TABLE t (n int); SELECT * FROM no_such_table")
    with pytest.raises(UndefinedTable):
        await database.fetch_all("SELECT * FROM t")


async def test_a_closed_database_is_unavailable(database_url: str) -> None:
    database = Database(database_url)
    await database.open()
    under_way = asyncio.create_task(database.fetch_all("SELECT pg_sleep(9)"))
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    with pytest.raises(DatabaseUnavailableError, match="is closed"):
        await database.fetch_one("SELECT 1")
    with pytest.raises(DatabaseUnavailableError):
        await under_way


async def test_a_connection_that_cannot_be_set_up_is_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.repositories.database.CANCEL_SECONDS", 1e9)
    with pytest.raises(Exception, match="exceeds integer range"):
        await Database(database_url).open()
