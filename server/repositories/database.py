"""The database: statements in, rows out, in bounded time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import aiopg
from psycopg2.errors import DivisionByZero, ReadOnlySqlTransaction

from server.errors import DatabaseUnavailableError
from server.repositories.address import Address
from server.repositories.pool import Pool

Row = tuple[Any, ...]

READY_SECONDS = 2.0
"""For the answer to whether the database is there."""

CANCEL_SECONDS = 1.0
"""How much later than we the server gives a statement up: its answer is no longer awaited, yet
it must not hold locks for ever."""

IN_TIME = "SELECT 1 / (clock_timestamp() < '{deadline}')::int; "
"""Precedes each statement. A server that was frozen goes on with what it was sent minutes ago, and
given up by us: a run that was refused would be stored, one that has another owner now taken from
it. So the server is told until when a statement holds; after that it fails, in its transaction."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that each connection plans once.

    `parameters` are its $1, $2 and so on: their names for the caller, and their types.
    """

    name: str
    parameters: Mapping[str, str]
    sql: str

    @property
    def preparation(self) -> str:
        """What a connection executes once, before `execution`."""
        return f"PREPARE {self.name} ({', '.join(self.parameters.values())}) AS {self.sql}"

    @property
    def execution(self) -> str:
        """What is executed, with the parameters by name."""
        values = (f"%({name})s::{type_}" for name, type_ in self.parameters.items())
        return f"EXECUTE {self.name} ({', '.join(values)})"


class Database:
    """A PostgreSQL database behind a bounded pool of connections.

    It takes a libpq URL or connection string. A call waits up to `statement_timeout_seconds`
    for a connection, and as long again for the answer, even of a server that is frozen; what was
    given up has no effect later, though it may have had one. Connections that broke are replaced.
    `on_unavailable` is called for each call that failed.

    Raises:
        StartupError: the URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 8,
        statement_timeout_seconds: float = 15.0,
        on_unavailable: Callable[[], None] = lambda: None,
    ) -> None:
        self._address = Address.parse(url)
        self._timeout_seconds = statement_timeout_seconds
        self._on_unavailable = on_unavailable
        self._places = asyncio.Semaphore(max_connections)
        self._pool: Pool | None = None
        self._clocks: WeakKeyDictionary[aiopg.Connection, float] = WeakKeyDictionary()
        self._prepared: WeakKeyDictionary[aiopg.Connection, set[str]] = WeakKeyDictionary()

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseUnavailableError: the server cannot be reached.
        """
        self._pool = Pool(
            self._address.parameters,
            timeout_seconds=self._timeout_seconds,
            set_up=self._set_up,
        )
        with self._address.errors():
            async with self._connection():
                pass

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.close()

    async def ready(self) -> bool:
        """Tell whether the database answers."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self.fetch_one("SELECT true") is not None
        except (TimeoutError, DatabaseUnavailableError):
            return False

    async def fetch_all(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> list[Row]:
        """Run a statement in a transaction of its own and return its rows.

        Several statements are one transaction, too; the rows are those of the last.

        Raises:
            DatabaseUnavailableError: the server cannot be reached, did not answer in time, or
                cannot do now what was asked.
        """
        return await self._fetch(sql, parameters, timeout_seconds or self._timeout_seconds)

    async def fetch_prepared(
        self, prepared: Prepared, parameters: Mapping[str, object]
    ) -> list[Row]:
        """Run a prepared statement as `fetch_all` runs others."""
        return await self._fetch(prepared, parameters, self._timeout_seconds)

    async def _fetch(
        self,
        statement: str | Prepared,
        parameters: Mapping[str, object] | None,
        timeout_seconds: float,
    ) -> list[Row]:
        try:
            with _cancellable(), self._address.errors():
                with suppress(DivisionByZero):
                    return await self._execute(statement, parameters, timeout_seconds)
                # Nothing was done. Where a clock was set or a machine slept, a new connection
                # compares the clocks anew.
                return await self._execute(statement, parameters, timeout_seconds)
        except DatabaseUnavailableError:
            self._on_unavailable()
            raise

    async def _execute(
        self,
        statement: str | Prepared,
        parameters: Mapping[str, object] | None,
        timeout_seconds: float,
    ) -> list[Row]:
        async with self._connection() as connection, connection.cursor() as cursor:
            if isinstance(statement, Prepared):
                await self._prepare(connection, cursor, statement)
                sql = statement.execution
            else:
                sql = statement
            now = self._clocks[connection] + asyncio.get_running_loop().time()
            deadline = datetime.fromtimestamp(now + timeout_seconds, UTC)
            in_time = IN_TIME.format(deadline=deadline.isoformat())
            await cursor.execute(in_time + sql, parameters, timeout=timeout_seconds)
            return list(await cursor.fetchall())

    async def _prepare(
        self, connection: aiopg.Connection, cursor: aiopg.Cursor, prepared: Prepared
    ) -> None:
        done = self._prepared.setdefault(connection, set())
        if prepared.name not in done:
            await cursor.execute(prepared.preparation)
            done.add(prepared.name)

    async def fetch_one(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> Row | None:
        """Run a statement and return its first row, None when there is none."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiopg.Connection]:
        """Lend a connection.

        Where one leads to a server that is frozen, or was replaced, others may do so as well: the
        idle ones are closed, so that calls do not try each in turn.
        """
        pool, connection = await self._take()
        try:
            yield connection
        except (TimeoutError, ReadOnlySqlTransaction, DivisionByZero):
            connection.close()
            pool.clear()
            raise
        finally:
            pool.give_back(connection)
            self._places.release()

    async def _take(self) -> tuple[Pool, aiopg.Connection]:
        """Wait for a place, and take a connection for it."""
        async with asyncio.timeout(self._timeout_seconds):
            await self._places.acquire()
            try:
                pool = self._opened()
                return pool, await pool.take()
            except BaseException:
                self._places.release()
                raise

    def _opened(self) -> Pool:
        if self._pool is None:
            raise DatabaseUnavailableError(f"{self._address} is closed.")
        return self._pool

    async def _set_up(self, connection: aiopg.Connection) -> None:
        """Set up a new connection, whatever the server's own settings and clock are."""
        settings = {
            "TimeZone": "UTC",
            "default_transaction_isolation": "read committed",
            "statement_timeout": int((self._timeout_seconds + CANCEL_SECONDS) * 1000),
        }
        statements = [f"SET {name} = '{value}'" for name, value in settings.items()]
        async with connection.cursor() as cursor:
            await cursor.execute("; ".join([*statements, "SELECT clock_timestamp()"]))
            [(now,)] = await cursor.fetchall()
        self._clocks[connection] = now.timestamp() - asyncio.get_running_loop().time()


@contextmanager
def _cancellable() -> Iterator[None]:
    """See that what ends here has not lost its task's cancellation.

    asyncio.wait_for, which aiopg uses, loses one that comes together with its result, in Python
    3.11 (https://github.com/python/cpython/issues/86296).
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine runs in one
    before = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError
