"""The pool of connections: its bounds in time, and its errors."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg2.errors import UndefinedTable

from server.errors import (
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StartupError,
)
from server.repositories.commands import CommandRepository
from server.repositories.database import pool as pool_module
from server.repositories.database.database import Database
from server.repositories.database.pool import Pool
from server.repositories.database.types import Row
from tests.support.access import BY
from tests.support.postgres import execute, frozen, hurried, until_a_statement_sleeps
from tests.support.waiting import until

Fetch = Callable[[Database, str], Awaitable[list[Row]]]


async def as_text(database: Database, sql: str) -> list[Row]:
    return await database.fetch_all(sql)


async def as_binary(database: Database, sql: str) -> list[Row]:
    return await database.fetch_binary(sql, {})


EACH_FETCH = pytest.mark.parametrize("fetch", [as_text, as_binary])
"""Through aiopg's cursor, and through libpq: a call behaves alike."""

CHECKED = "SELECT 1 FROM commands_check_deadline(%(deadline)s)"
"""What looks at its deadline itself, as the archive's statement does."""


def pools(database: Database) -> list[Pool]:
    return [database._pool, database._binary_pool]


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@EACH_FETCH
async def test_a_server_that_is_not_there_is_named_without_the_password(fetch: Fetch) -> None:
    database = Database(f"postgresql://me:pa%20ss@127.0.0.1:{free_port()}/name")
    with pytest.raises(DatabaseUnavailableError, match=r"name at 127\.0\.0\.1 port"):
        await database.open()
    with pytest.raises(DatabaseUnavailableError, match=r"name at 127\.0\.0\.1 port") as refused:
        await fetch(database, "SELECT 1")
    assert "pa ss" not in str(refused.value)
    assert refused.value.__cause__ is not None
    assert not await database.ready()
    await database.close()


async def test_a_password_in_the_servers_own_words_is_hidden() -> None:
    """Here the socket's directory, which the driver quotes, is the password as well."""
    database = Database("postgresql://me:nowhere@/name?host=/nowhere")
    with pytest.raises(DatabaseUnavailableError, match=r'socket "/\*\*\*/'):
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


@EACH_FETCH
async def test_a_frozen_server_does_not_hang_a_call(database_url: str, fetch: Fetch) -> None:
    database = Database(database_url, max_connections=2)
    await database.open()
    [(pid,)] = await fetch(database, "SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        with (
            hurried(database),
            pytest.raises(DatabaseUnavailableError, match="did not answer in time"),
        ):
            await fetch(database, "SELECT 1")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await fetch(database, "SELECT 1") == [(1,)]
    await database.close()


async def test_a_binary_call_that_is_given_up_leaves_nothing_behind(database_url: str) -> None:
    """Neither a task, nor a file descriptor."""
    database = Database(database_url)
    await database.open()
    left: list[tuple[int, set[asyncio.Task[object]]]] = []
    for _ in range(5):
        await database.fetch_binary("SELECT 1", {})
        with (
            hurried(database),
            pytest.raises(DatabaseUnavailableError, match="did not answer in time"),
        ):
            await database.fetch_binary("SELECT pg_sleep(9)", {})
        left.append((len([*Path("/proc/self/fd").iterdir()]), asyncio.all_tasks()))
    assert left == [left[0]] * 5
    await database.close()


async def test_a_call_waits_for_a_connection_only_so_long(database_url: str) -> None:
    database = Database(database_url, max_connections=2)
    await database.open()
    long = asyncio.create_task(database.fetch_all("SELECT pg_sleep(9)"))
    await asyncio.sleep(0)
    with hurried(database), pytest.raises(DatabaseUnavailableError, match="did not answer in time"):
        await database.fetch_one("SELECT 1")
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


@EACH_FETCH
async def test_a_connection_does_not_depend_on_the_servers_settings(
    database_url: str, fetch: Fetch
) -> None:
    name = urlsplit(database_url).path[1:]
    for setting in (
        "TimeZone = 'Asia/Kathmandu'",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = 500",
    ):
        execute(database_url, f"SET statement_timeout = 0; ALTER DATABASE {name} SET {setting}")
    database = Database(database_url)
    await database.open()
    assert await fetch(database, "SHOW TimeZone") == [("UTC",)]
    assert await fetch(database, "SHOW transaction_isolation") == [("read committed",)]
    assert await fetch(database, "SHOW statement_timeout") == [("16s",)]
    await database.close()


async def test_a_statement_that_the_server_cancels_is_no_cancelled_task(
    database: Database,
) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    with pytest.raises(DatabaseUnavailableError, match="canceling statement"):
        await database.fetch_all("SET statement_timeout = 1; SELECT pg_sleep(9)")
    assert len(reported) == 1


@EACH_FETCH
async def test_a_connection_that_dies_in_a_call_is_replaced(
    database: Database, fetch: Fetch
) -> None:
    with pytest.raises(DatabaseUnavailableError):
        await fetch(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert await fetch(database, "SELECT 1") == [(1,)]


@EACH_FETCH
async def test_an_idle_connection_that_broke_is_passed_over(
    database_url: str, database: Database, fetch: Fetch
) -> None:
    pids = "SELECT pg_backend_pid() FROM pg_sleep(0.05)"
    idle = await asyncio.gather(*(fetch(database, pids) for _ in range(3)))
    ended = {pid for [(pid,)] in idle}
    execute(database_url, *(f"SELECT pg_terminate_backend({pid}, 5000)" for pid in ended))
    connections = [connection for pool in pools(database) for connection in pool._idle]
    await until(lambda: sum(not connection.usable for connection in connections) == len(ended))
    for _ in range(4):
        assert await fetch(database, "SELECT 1") == [(1,)]


@EACH_FETCH
async def test_a_statement_that_is_refused_is_told_from_an_outage(
    database: Database, fetch: Fetch
) -> None:
    with pytest.raises(DatabaseRefusedError, match="no_such_table") as refusal:
        await fetch(database, "SELECT * FROM no_such_table")
    assert isinstance(refusal.value.__cause__, UndefinedTable)
    assert await fetch(database, "SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("53100", id="the disk is full"),
        pytest.param("53200", id="memory is short"),
        pytest.param("53300", id="too many connections"),
        pytest.param("25006", id="a standby, or made read-only"),
        pytest.param("57P01", id="an administrator ended it"),
        pytest.param("57P03", id="it is starting"),
        pytest.param("58030", id="its disk fails"),
        pytest.param("40P01", id="a deadlock"),
        pytest.param("55P03", id="a lock is not to be had"),
    ],
)
@EACH_FETCH
async def test_what_the_server_cannot_do_now_is_an_outage(
    database: Database, fetch: Fetch, state: str
) -> None:
    failing = f"DO $$ BEGIN RAISE EXCEPTION 'no way' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DatabaseUnavailableError, match="no way"):
        await fetch(database, failing)
    assert await fetch(database, "SELECT 1") == [(1,)]


async def test_a_database_that_was_made_read_only_is_unavailable_and_heals(
    database_url: str, database: Database
) -> None:
    """As after a failover: the old server became a standby, and a new connection finds the new."""
    name = urlsplit(database_url).path[1:]
    commands = CommandRepository(database)
    await commands.add("name", None, "true", by=BY)
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await database.fetch_all("SET default_transaction_read_only = on; SELECT 1")
    with pytest.raises(DatabaseReadOnlyError, match="read-only"):
        await commands.add("name", None, "true", by=BY)
    assert len((await commands.list(limit=9)).items) == 1
    with pytest.raises(DatabaseReadOnlyError, match="read-only"):
        await commands.add("name", None, "true", by=BY)
    execute(
        database_url,
        "SET default_transaction_read_only = off",
        f"ALTER DATABASE {name} RESET default_transaction_read_only",
    )
    await commands.add("name", None, "true", by=BY)


async def test_too_many_connections_are_an_outage_to_those_that_need_one(
    database_url: str,
) -> None:
    execute(
        database_url,
        "DROP ROLE IF EXISTS modest",
        "CREATE ROLE modest LOGIN CONNECTION LIMIT 1",
    )
    url = database_url.replace("postgres@", "modest@")
    database = Database(url, max_connections=3)
    await database.open()
    first = asyncio.create_task(database.fetch_all("SELECT pg_sleep(0.5)"))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailableError, match="too many connections"):
        await database.fetch_one("SELECT 1")
    await first
    assert await database.fetch_one("SELECT 1") == (1,)
    await database.close()


async def of_connections(database: Database, url: str, number: int) -> set[int]:
    """Have so many connections made, and return the server processes at their other ends.

    Each call waits for a lock until all do: none takes the connection of one that is done.
    """
    lock = Database(url, max_connections=2)  # one of them takes texts: a lock is a connection's
    await lock.open()
    await lock.fetch_all("SELECT pg_advisory_lock(1)")
    pid = "SELECT pg_backend_pid() FROM pg_advisory_lock_shared(1)"
    calls = [asyncio.ensure_future(database.fetch_all(pid)) for _ in range(number)]
    while len(await lock.fetch_all("SELECT FROM pg_locks WHERE NOT granted")) < number:
        pass
    await lock.close()
    return {pid for [(pid,)] in await asyncio.gather(*calls)}


async def test_a_time_out_closes_the_idle_connections_as_well(database_url: str) -> None:
    """They lead to the same server, which is frozen or gone: no call is to try each in turn."""
    database = Database(database_url, max_connections=5)  # two of them are for binary values
    await database.open()
    frozen = await of_connections(database, database_url, 3)
    assert len(frozen) == 3
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        with (
            hurried(database),
            pytest.raises(DatabaseUnavailableError, match="did not answer in time"),
        ):
            await database.fetch_one("SELECT 1")
        for _ in range(3):
            assert await database.fetch_one("SELECT 1") == (1,)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    await database.close()


@EACH_FETCH
async def test_a_cancellation_is_never_lost(database: Database, fetch: Fetch) -> None:
    """Nor one that comes together with the answer: of so many, some do."""
    for turns in range(3000):
        if turns % 30 == 0:  # else more knock than the server's socket lets wait
            assert await fetch(database, "SELECT 1") == [(1,)]
        call = asyncio.ensure_future(fetch(database, "SELECT 1"))
        for _ in range(turns % 100):
            await asyncio.sleep(0)
        cancelled = call.cancel()
        await asyncio.wait({call})
        assert call.cancelled() == cancelled


async def test_what_was_given_up_is_not_done_later(database_url: str, database: Database) -> None:
    """A server that was frozen reads what it was sent meanwhile, although nobody waits for it."""
    impatient = Database(database_url, max_connections=2)
    await impatient.open()
    commands = CommandRepository(impatient)
    [(pid,)] = await impatient.fetch_all("SELECT pg_backend_pid()")
    async with frozen(pid, database):
        with (
            hurried(impatient),
            pytest.raises(DatabaseUnavailableError, match="did not answer in time"),
        ):
            await commands.add("name", None, "true", by=BY)
    assert (await commands.list(limit=9)).items == []
    await impatient.close()


@EACH_FETCH
async def test_a_clock_that_was_set_costs_another_connection_alone(
    database: Database, fetch: Fetch
) -> None:
    sql = "SELECT 1" if fetch is as_text else CHECKED
    assert await fetch(database, sql) == [(1,)]
    for pool in pools(database):
        for connection in pool._idle:
            connection.clock -= 3600
    assert await fetch(database, sql) == [(1,)]
    clock = time.time() - asyncio.get_running_loop().time()
    for pool in pools(database):
        assert all(c.clock == pytest.approx(clock, abs=5) for c in pool._idle)


@EACH_FETCH
async def test_a_server_that_is_always_late_is_unavailable(
    database_url: str, database: Database, fetch: Fetch
) -> None:
    execute(
        database_url,
        "ALTER FUNCTION commands_check_deadline RENAME TO commands_check",
        "CREATE FUNCTION commands_check_deadline(deadline TIMESTAMPTZ) RETURNS VOID"
        " RETURN commands_check(deadline - interval '1 day')",
    )
    with pytest.raises(DatabaseUnavailableError, match="after its deadline"):
        await fetch(database, "SELECT 1" if fetch is as_text else CHECKED)


@pytest.mark.parametrize("state", ["22012", "P0001", "MY001"])
@EACH_FETCH
async def test_what_a_row_is_refused_with_is_never_taken_for_an_outage(
    database: Database, fetch: Fetch, state: str
) -> None:
    """Neither a division by zero, nor an SQLSTATE of somebody's own, as triggers may raise."""
    sql = f"DO $$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DatabaseRefusedError, match=r"refuses it: .*not this one"):
        await fetch(database, sql)


async def test_several_statements_are_one_transaction(database: Database) -> None:
    with pytest.raises(DatabaseRefusedError, match="no_such_table"):
        await database.fetch_all("CREATE TABLE t (n int); SELECT * FROM no_such_table")
    with pytest.raises(DatabaseRefusedError, match='"t"'):
        await database.fetch_all("SELECT * FROM t")


@EACH_FETCH
async def test_a_closed_database_is_unavailable(
    database_url: str, database: Database, fetch: Fetch
) -> None:
    closed = Database(database_url)
    await closed.open()
    under_way = asyncio.ensure_future(fetch(closed, "SELECT pg_sleep(9)"))
    await until_a_statement_sleeps(database)
    await closed.close()
    await closed.close()
    with pytest.raises(DatabaseUnavailableError, match="is closed"):
        await fetch(closed, "SELECT 1")
    with pytest.raises(DatabaseUnavailableError):
        await under_way


async def test_a_connection_that_is_being_made_is_closed_too(database_url: str) -> None:
    database = Database(database_url, max_connections=3)
    await database.open()
    first = asyncio.create_task(database.fetch_all("SELECT pg_sleep(9)"))
    await asyncio.sleep(0)
    second = asyncio.create_task(database.fetch_all("SELECT 1"))
    await asyncio.sleep(0)
    await database.close()
    for call in (first, second):
        with pytest.raises(DatabaseUnavailableError):
            await call


async def test_a_connection_that_cannot_be_set_up_is_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "CANCEL_SECONDS", 1e9)
    with pytest.raises(Exception, match="statement_timeout"):
        await Database(database_url).open()
