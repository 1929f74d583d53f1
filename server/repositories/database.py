"""The pool of connections to PostgreSQL: the one place that talks to the driver."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiopg

from server.errors import DatabaseUnavailableError
from server.repositories.address import Address

Row = tuple[Any, ...]

READY_SECONDS = 2.0
"""For the answer to whether the database is there."""

CANCEL_SECONDS = 1.0
"""How much later than we the server gives a statement up: its answer is no longer awaited, yet
it must not hold locks for ever."""


class Database:
    """A PostgreSQL database behind a bounded pool of connections.

    It takes a libpq URL or connection string. A call waits up to `statement_timeout_seconds`
    for a connection, and as long again for the answer, even of a server that is frozen.
    Connections that broke are replaced. `on_unavailable` is called for each call that failed.

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
        self._url = url
        self._address = Address.parse(url)
        self._max_connections = max_connections
        self._timeout_seconds = statement_timeout_seconds
        self._on_unavailable = on_unavailable
        self._places = asyncio.Semaphore(max_connections)
        self._pool: aiopg.Pool | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseUnavailableError: the server cannot be reached.
        """
        with self._address.errors():
            self._pool = await aiopg.create_pool(
                self._url,
                minsize=1,
                maxsize=self._max_connections,
                timeout=self._timeout_seconds,
                enable_hstore=False,
                enable_json=False,
                on_connect=self._on_connect,
                fallback_application_name="tailrun",
                client_encoding="UTF8",
            )

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_seconds):
                    await pool.wait_closed()

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
            DatabaseUnavailableError: the server cannot be reached, or did not answer in time.
        """
        try:
            with self._address.errors():
                async with self._connection() as connection, connection.cursor() as cursor:
                    await cursor.execute(sql, parameters, timeout=timeout_seconds)
                    return list(await cursor.fetchall())
        except DatabaseUnavailableError:
            self._on_unavailable()
            raise

    async def fetch_one(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> Row | None:
        """Run a statement and return its first row, None when there is none."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiopg.Connection]:
        """Lend a connection of the pool.

        The pool itself does not wake who waits for a connection when one breaks, so the wait is
        for a place of ours.
        """
        async with asyncio.timeout(self._timeout_seconds):
            await self._places.acquire()
        try:
            if self._pool is None:
                raise DatabaseUnavailableError(f"{self._address} is closed.")
            pool = self._pool
            connection = await _acquire(pool)
            try:
                yield connection
            finally:
                await pool.release(connection)
        finally:
            self._places.release()

    async def _on_connect(self, connection: aiopg.Connection) -> None:
        """Set up a new connection, whatever the server's own settings are."""
        settings = {
            "TimeZone": "UTC",
            "default_transaction_isolation": "read committed",
            "statement_timeout": int((self._timeout_seconds + CANCEL_SECONDS) * 1000),
        }
        statements = (f"SET {name} = '{value}'" for name, value in settings.items())
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("; ".join(statements))
        except BaseException:
            await connection.close()
            raise


async def _acquire(pool: aiopg.Pool) -> aiopg.Connection:
    """Take a connection of the pool, passing over those that have just broken.

    The pool asserts that the one it gives is open, although it may break while the pool makes
    another; then it is out of the pool.
    """
    while True:
        with suppress(AssertionError):
            return await pool.acquire()
