"""The database: statements in, rows out, in bounded time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial

from server.errors import DatabaseUnavailableError
from server.repositories.database import libpq
from server.repositories.database.address import READ_ONLY, Address
from server.repositories.database.binary import BinaryConnection
from server.repositories.database.connections import (
    TextConnection,
    TooLateError,
)
from server.repositories.database.pool import Pool
from server.repositories.database.types import Parameters, Row

READY_SECONDS = 2.0
"""The longest wait for an answer in `ready`."""


FOR_TWO = 4
"""Connections of which two are for output: it is read beside what is stored."""


class Database:
    """A PostgreSQL database behind up to `max_connections` connections, 2 at least.

    One of them, of four or more two, are `BinaryConnection`s, set apart for `fetch_binary`.

    It takes a libpq URL or connection string. A call waits up to `statement_timeout_seconds`
    for a connection, and as long again for the answer, even of a server that is frozen; what was
    given up has no effect later, though it may have had one in time. Broken connections are
    replaced.
    `on_unavailable` is called for each call that failed.

    Raises:
        StartupError: the URL is none, or libpq is not available.
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
        self.statement_timeout_seconds = statement_timeout_seconds
        self._on_unavailable = on_unavailable
        pool = partial(Pool, self._address.parameters, timeout_seconds=statement_timeout_seconds)
        binary = 2 if max_connections >= FOR_TWO else 1
        self._pool = pool(TextConnection.connect, max_connections=max_connections - binary)
        connect = partial(BinaryConnection.connect, libpq.load())
        self._binary_pool = pool(connect, max_connections=binary)

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseUnavailableError: the server cannot be reached.
        """
        self._pool.open()
        self._binary_pool.open()
        with self._address.errors():
            async with self._pool.connection():
                pass

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        self._pool.close()
        self._binary_pool.close()

    async def ready(self) -> bool:
        """Return whether the database answers."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self.fetch_one("SELECT true") is not None
        except (TimeoutError, DatabaseUnavailableError):
            return False

    async def fetch_all(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> list[Row]:
        """Run a statement in a transaction of its own and return its rows.

        Several statements are one transaction, too; the rows are those of the last.

        Raises:
            DatabaseUnavailableError: the server cannot be reached, did not answer in time, or
                cannot do now what was asked.
        """
        timeout_seconds = timeout_seconds or self.statement_timeout_seconds
        return await self._fetch(self._pool, sql, parameters or {}, timeout_seconds)

    async def fetch_binary(self, sql: str, parameters: Parameters) -> list[Row]:
        """Run one statement as `fetch_all` does, by a `BinaryConnection`, which takes bytes."""
        return await self._fetch(self._binary_pool, sql, parameters, self.statement_timeout_seconds)

    async def _fetch(
        self, pool: Pool, sql: str, parameters: Parameters, timeout_seconds: float
    ) -> list[Row]:
        try:
            with _cancellable(), self._address.errors():
                with suppress(TooLateError):
                    return await self._execute(pool, sql, parameters, timeout_seconds)
                # Nothing was done. Where a clock was set or a machine slept, a new connection
                # compares the clocks again.
                return await self._execute(pool, sql, parameters, timeout_seconds)
        except DatabaseUnavailableError:
            self._on_unavailable()
            raise

    async def _execute(
        self, pool: Pool, sql: str, parameters: Parameters, timeout_seconds: float
    ) -> list[Row]:
        async with pool.connection() as connection:
            now = connection.clock + asyncio.get_running_loop().time()
            deadline = datetime.fromtimestamp(now + timeout_seconds, UTC)
            try:
                return await connection.execute(
                    sql, parameters, deadline=deadline, timeout_seconds=timeout_seconds
                )
            except (TimeoutError, READ_ONLY, TooLateError):
                # Its server is frozen, or was replaced, and others may lead to the same: the idle
                # ones are closed, so that calls do not try each in turn.
                connection.close()
                self._pool.clear()
                self._binary_pool.clear()
                raise

    async def fetch_one(self, sql: str, parameters: Parameters | None = None) -> Row | None:
        """Run a statement and return its first row, None when there is none."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None


@contextmanager
def _cancellable() -> Iterator[None]:
    """Raise a cancellation that was lost within.

    asyncio.wait_for, which aiopg uses, loses one that comes together with its result, in Python
    3.11 (https://github.com/python/cpython/issues/86296).
    """
    task = asyncio.current_task()
    assert task is not None  # a coroutine runs in one
    before = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError
