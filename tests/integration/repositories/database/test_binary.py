"""The archive's connection: bytes as they are, by libpq, over Unix sockets, TCP and TLS."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg2
import pytest
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import libpq_version

from server.errors import DatabaseRefusedError, DatabaseUnavailableError, StartupError
from server.repositories.database import libpq
from server.repositories.database.binary import BinaryConnection
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from tests.support.postgres import execute, frozen, hurried, until_a_statement_sleeps
from tests.support.relay import Relay, certificate
from tests.support.waiting import until

EACH_WAY = pytest.mark.parametrize("way", ["unix", "tcp", "tls"])

LARGE = random.Random(1).randbytes(24 << 20)
"""Much more than a socket takes at a time."""

STORE = "INSERT INTO stored SELECT unnest(%(data)s::bytea[])"
COUNT = "SELECT count(*) FROM stored"
DIGEST = "SELECT encode(sha256(unnest(%(data)s::bytea[])), 'hex')"


@pytest.fixture
async def through(
    way: str, database_url: str, tmp_path: Path
) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Return a URL of the test's database, and what loses all connections that were made by it."""
    if way == "unix":
        name = urlsplit(database_url).path[1:]
        throw_out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
        server = urlsplit(database_url)._replace(path="/template1").geturl()
        yield database_url, lambda: execute(server, f"{throw_out} '{name}'")
        return
    directory = parse_qs(urlsplit(database_url).query)["host"][0]
    context = certificate(tmp_path) if way == "tls" else None
    async with Relay(Path(directory) / ".s.PGSQL.5432", context) as relay:
        secure = f"verify-full&sslrootcert={tmp_path / 'certificate'}" if context else "disable"
        query = f"sslmode={secure}"
        place = urlsplit(database_url)._replace(netloc=f"postgres@127.0.0.1:{relay.port}")
        yield place._replace(query=query).geturl(), relay.cut


@pytest.fixture
async def remote(through: tuple[str, Callable[[], None]]) -> AsyncIterator[Database]:
    """Open the test's database by that URL, with a table for bytes."""
    database = Database(through[0])
    await database.open()
    await database.fetch_all("CREATE TABLE stored (data bytea); SELECT 1")
    yield database
    await database.close()


async def send(database: Database, sql: str, *data: bytes) -> list[Row]:
    return await database.fetch_binary(sql, {"data": [*data]})


def archive_connection(database: Database) -> BinaryConnection:
    [connection] = database._binary_pool._idle
    assert isinstance(connection, BinaryConnection)
    return connection


@EACH_WAY
async def test_bytes_arrive_as_they_are(remote: Database) -> None:
    pieces = [b"", b"\0", b"\xff\0'\\%s$1", bytes(range(256)), LARGE, b"end"]
    digests = [(hashlib.sha256(piece).hexdigest(),) for piece in pieces]
    assert await send(remote, DIGEST, *pieces) == digests
    assert await send(remote, DIGEST, *(b"%d" % n for n in range(20_000))) == [
        (hashlib.sha256(b"%d" % n).hexdigest(),) for n in range(20_000)
    ]


async def test_no_bytes_are_an_empty_array(database: Database) -> None:
    sql = "SELECT cardinality(%(data)s::bytea[]), array_ndims(%(data)s::bytea[])"
    assert await send(database, sql) == [(0, None)]
    assert await send(database, sql, b"") == [(1, 1)]


async def test_text_and_nothing_are_parameters_and_values(database: Database) -> None:
    sql = "SELECT %(text)s::text, %(none)s::text, %(unicode)s::json ->> 0, 100 %% 7"
    given = {"text": "it's %s", "none": None, "unicode": '["ä€"]', "unused": 1}
    assert await database.fetch_binary(sql, given) == [("it's %s", None, "ä€", 2)]


EACH_TYPE = """
    true, false, (-7)::smallint, -2147483648, 9223372036854775807, 'ä€'::text, 'v'::varchar(3),
    0.1::float8, '\\x00ff27'::bytea, ''::bytea, '2000-01-01 00:00:00.000001+00'::timestamptz,
    '1999-12-31 23:00:00-05'::timestamptz, 'infinity'::timestamptz, '-infinity'::timestamptz,
    '4713-01-01 00:00:00+00 BC'::timestamptz, '12345-01-01 00:00:00+00'::timestamptz,
    '00000000-0000-0000-0000-0000000000ff'::uuid, NULL::bytea
"""


async def test_each_type_is_read_as_psycopg2_reads_it(database: Database) -> None:
    [expected] = await database.fetch_all(f"SELECT {EACH_TYPE}")
    [read] = await database.fetch_binary(f"SELECT {EACH_TYPE}", {})
    assert read == tuple(bytes(one) if isinstance(one, memoryview) else one for one in expected)
    assert read[-2] == UUID(int=255)


async def test_whole_numbers_and_ids_are_parameters(database: Database) -> None:
    sql = "SELECT %(number)s::bigint - 1, %(id)s::uuid"
    given = {"number": -(2**63) + 1, "id": UUID(int=255)}
    assert await database.fetch_binary(sql, given) == [(-(2**63), UUID(int=255))]


async def test_a_type_that_is_not_read_is_named(database: Database) -> None:
    with pytest.raises(DatabaseUnavailableError, match="types \\[1700\\] are not read"):
        await database.fetch_binary("SELECT 1.5::numeric", {})
    assert await database.fetch_binary("SELECT 1", {}) == [(1,)]


@pytest.mark.parametrize(
    "value", [pytest.param("a\0b", id="NUL"), 7.5, b"bytes", pytest.param(("a",), id="tuple")]
)
async def test_what_cannot_be_sent_is_refused_and_nothing_is_sent(
    database: Database, value: object
) -> None:
    assert await send(database, "SELECT 1") == [(1,)]
    connection = archive_connection(database)
    with pytest.raises(DatabaseRefusedError, match="cannot be sent"):
        await database.fetch_binary("SELECT %(value)s::text", {"value": value})
    assert archive_connection(database) is connection


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("23505", UniqueViolation),
        ("22P02", psycopg2.errors.InvalidTextRepresentation),
        ("42XYZ", psycopg2.errors.SyntaxErrorOrAccessRuleViolation),
        ("MY001", psycopg2.InternalError),
    ],
)
async def test_an_error_is_psycopg2s_own_by_its_sqlstate(
    database: Database, state: str, error: type[psycopg2.Error]
) -> None:
    assert await send(database, "SELECT 1") == [(1,)]
    connection = archive_connection(database)
    with pytest.raises(DatabaseRefusedError, match="no way ä") as refused:
        await send(database, f"DO $$ BEGIN RAISE 'no way ä' USING ERRCODE = '{state}'; END $$")
    assert type(refused.value.__cause__) is error
    assert await send(database, "SELECT 2") == [(2,)]
    assert archive_connection(database) is connection


async def test_an_unknown_sqlstate_of_an_outages_class_is_an_outage(database: Database) -> None:
    with pytest.raises(DatabaseUnavailableError, match="no way") as away:
        await send(database, "DO $$ BEGIN RAISE 'no way' USING ERRCODE = '53XYZ'; END $$")
    assert not isinstance(away.value, DatabaseRefusedError)


@pytest.mark.parametrize("sql", ["COPY (SELECT 1) TO STDOUT", "COPY stored FROM STDIN", ""])
async def test_what_is_no_statement_with_rows_fails_and_ends(database: Database, sql: str) -> None:
    await database.fetch_all("CREATE TABLE stored (data bytea); SELECT 1")
    with pytest.raises(DatabaseUnavailableError):
        await send(database, sql)
    assert await send(database, "SELECT 1") == [(1,)]


@EACH_WAY
async def test_a_connection_that_is_lost_amid_a_call_fails_it_and_is_replaced(
    remote: Database, through: tuple[str, Callable[[], None]], database: Database
) -> None:
    call = asyncio.create_task(send(remote, "SELECT 1 FROM pg_sleep(99)"))
    await until_a_statement_sleeps(database)
    with suppress(psycopg2.Error):
        through[1]()
    with pytest.raises(DatabaseUnavailableError):
        await call
    assert await send(remote, "SELECT 1") == [(1,)]


@EACH_WAY
async def test_a_server_that_freezes_amid_what_it_is_sent_stores_nothing_later(
    remote: Database, database: Database
) -> None:
    await send(remote, STORE, b"before")
    [(pid,)] = await send(remote, "SELECT pg_backend_pid()")
    connection = archive_connection(remote)
    async with frozen(int(pid), database):
        with (
            hurried(remote),
            pytest.raises(DatabaseUnavailableError, match="did not answer in time"),
        ):
            await send(remote, STORE, LARGE)
        assert connection._connection.closed
        assert await send(remote, COUNT) == [(1,)]
        assert archive_connection(remote) is not connection
    assert await send(remote, COUNT) == [(1,)]


@EACH_WAY
async def test_a_call_can_be_cancelled_at_each_of_its_steps(
    remote: Database, database: Database
) -> None:
    """It is done whole or not at all, nothing else of it is left, and the next call works."""
    sent = [b"%2d" % turns + LARGE[: 3 << 20] for turns in range(60)]
    answered = set[str]()
    descriptors = set[int]()
    for turns, piece in enumerate(sent):
        call = asyncio.create_task(send(remote, STORE, piece))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        if not call.cancelled():
            answered.add(hashlib.sha256(piece).hexdigest())
        assert await send(remote, "SELECT 1") == [(1,)]
        descriptors.add(len([*Path("/proc/self/fd").iterdir()]))
    storing = "SELECT FROM pg_stat_activity WHERE query LIKE 'INSERT INTO stored%%'"
    while await database.fetch_all(f"{storing} AND state = 'active'", {}):
        pass
    rows = await send(remote, "SELECT encode(sha256(data), 'hex') FROM stored")
    stored = [digest for (digest,) in rows]
    assert len({*stored}) == len(stored)
    assert answered <= {*stored} <= {hashlib.sha256(piece).hexdigest() for piece in sent}
    assert max(descriptors) - min(descriptors) < 10


class CountingLibrary:
    """A libpq whose results are counted: those that it gave, and those that it got back."""

    def __init__(self) -> None:
        self._library = libpq.load()
        self.held: list[int] = []
        self.given = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._library, name)

    def PQgetResult(self, pgconn: int) -> int | None:  # noqa: N802
        result: int | None = self._library.PQgetResult(pgconn)
        if result is not None:
            self.held.append(result)
            self.given += 1
        return result

    def PQclear(self, result: int) -> None:  # noqa: N802
        self.held.remove(result)
        self._library.PQclear(result)


async def test_each_result_is_freed(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = CountingLibrary()
    monkeypatch.setattr(libpq, "load", lambda: library)
    counted = Database(database_url)
    await counted.open()
    await send(counted, "SELECT 1")
    with pytest.raises(DatabaseRefusedError):
        await send(counted, "DO $$ BEGIN RAISE USING ERRCODE = '23505'; END $$")
    with pytest.raises(DatabaseUnavailableError):
        await send(counted, "COPY (SELECT 1) TO STDOUT")
    monkeypatch.setattr(library, "PQgetvalue", lambda *_: b"\xff")
    with pytest.raises(UnicodeDecodeError):
        await send(counted, "SELECT 1")
    monkeypatch.undo()
    for cancel in (True, False):
        call = asyncio.create_task(send(counted, "SELECT 1 FROM pg_sleep(99)"))
        await until_a_statement_sleeps(database)
        if cancel:
            call.cancel()
        else:
            await counted.close()
        await asyncio.wait([call])
    assert library.given > 8
    assert library.held == []


async def test_nothing_watches_the_socket_between_calls(database: Database) -> None:
    """Neither aiopg's reader, which would take the answers, nor ours."""
    await send(database, "SELECT 1")
    fileno = archive_connection(database)._connection.raw.fileno()
    loop = asyncio.get_running_loop()
    assert not loop.remove_reader(fileno)
    assert not loop.remove_writer(fileno)


async def test_notices_are_not_sent(database: Database) -> None:
    """The driver would keep them."""
    noisy = "DO $$ BEGIN RAISE NOTICE 'a'; RAISE WARNING 'b'; END $$"
    await send(database, noisy)
    raw = archive_connection(database)._connection.raw
    raw.poll()
    assert raw.notices == []


@pytest.mark.parametrize("archive", [True, False])
async def test_the_archives_connection_is_one_of_those_that_are_allowed(
    database_url: str,
    archive: bool,  # noqa: FBT001
) -> None:
    """Of three, one is the archive's alone; the others are not, even when it needs none."""
    database = Database(database_url, max_connections=3)
    await database.open()
    slow = "SELECT 1 FROM pg_sleep(99)"
    calls = [asyncio.create_task(database.fetch_all(slow)) for _ in range(2)]
    calls += [asyncio.create_task(send(database, slow))] if archive else []
    pools = (database._pool, database._binary_pool)
    await until(lambda: sum(len(pool._used) for pool in pools) == len(calls))
    one_more = send(database, "SELECT 1") if archive else database.fetch_all("SELECT 1")
    with hurried(database), pytest.raises(DatabaseUnavailableError, match="did not answer in time"):
        await one_more
    await database.close()
    await asyncio.wait(calls)


def test_a_function_that_libpq_does_not_have_is_named_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(libpq.SIGNATURES, "PQbrew", (None,))
    with pytest.raises(StartupError, match=r"PQbrew.* psycopg2-binary"):
        Database("postgresql:///name")


def test_another_libpq_than_psycopg2s_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def older() -> int:
        return 90101

    older.__module__ = libpq_version.__module__
    monkeypatch.setattr(libpq, "libpq_version", older)
    with pytest.raises(StartupError, match="Two versions of libpq are loaded, 90101 and"):
        Database("postgresql:///name")
