"""Connections to PostgreSQL: aiopg's, and psycopg's for large parameters.

Both are used alike. aiopg's driver, psycopg2, has no way to send bytes but as text in the
statement, and PostgreSQL's parser looks at each character: most of what storing output cost
(docs/architecture.md). So the archive's statement, and no other, goes through psycopg.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol, Self

import aiopg
import psycopg
from psycopg.pq import TransactionStatus
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

Row = tuple[Any, ...]
Parameters = Mapping[str, object]

IN_TIME = "SELECT 1 / (clock_timestamp() < '{deadline}')::int; "
"""Precedes each statement of a `TextConnection`. A server that was frozen goes on with what it was
sent minutes ago, and given up by us: a run that was refused would be stored, one that has another
owner now taken from it. So the server is told until when a statement holds; after that it fails,
in its transaction."""


class Connection(Protocol):
    """A connection that runs one statement after the other, each in a transaction of its own."""

    clock: float
    """The server's clock, in Unix seconds, less the event loop's."""

    @property
    def usable(self) -> bool:
        """Whether it is open and outside of transactions, as far as can be told from here."""

    async def execute(
        self, sql: str, parameters: Parameters, *, deadline: datetime | None, timeout_seconds: float
    ) -> list[Row]:
        """Run a statement and return its rows.

        Raises:
            TimeoutError: the answer did not come in time; close the connection.
            DivisionByZero: the server took it up after `deadline` and did nothing (the driver's
                own error, as are all others).
        """

    def close(self) -> None:
        """Close it; what is under way fails. Closing it again does nothing."""


Connect = Callable[[str, float], Awaitable[Connection]]
"""Connects with libpq's connection string, and a time-out in seconds."""


class TextConnection:
    """aiopg's: a statement may be several, and holds its parameters as text."""

    clock = 0.0

    def __init__(self, connection: aiopg.Connection) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, dsn: str, timeout_seconds: float) -> Self:
        """Connect."""
        connection = await aiopg.connect(
            dsn,
            timeout=timeout_seconds,
            enable_hstore=False,
            enable_json=False,
        )
        return cls(connection)

    @property
    def usable(self) -> bool:
        """Whether it is open and outside of transactions."""
        status = None if self._connection.closed else self._connection.raw.info.transaction_status
        return status == TRANSACTION_STATUS_IDLE

    async def execute(
        self, sql: str, parameters: Parameters, *, deadline: datetime | None, timeout_seconds: float
    ) -> list[Row]:
        """Run a statement, after IN_TIME."""
        in_time = "" if deadline is None else IN_TIME.format(deadline=deadline.isoformat())
        async with self._connection.cursor() as cursor:
            await cursor.execute(in_time + sql, parameters, timeout=timeout_seconds)
            return list(await cursor.fetchall())

    def close(self) -> None:
        """Close it."""
        self._connection.close()


class BinaryConnection:
    """psycopg's: a statement is prepared, and parameters marked `%(name)b` are sent as bytes.

    A statement itself must do what IN_TIME does, with `%(deadline)s`.
    """

    clock = 0.0

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection
        self._call: asyncio.Task[list[Row]] | None = None

    @classmethod
    async def connect(cls, dsn: str, timeout_seconds: float) -> Self:
        """Connect."""
        async with asyncio.timeout(timeout_seconds):
            return cls(await psycopg.AsyncConnection.connect(dsn, autocommit=True))

    @property
    def usable(self) -> bool:
        """Whether it is open and outside of transactions; notices what the server closed."""
        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
        except psycopg.OperationalError:
            return False
        return pgconn.transaction_status == TransactionStatus.IDLE

    async def execute(
        self, sql: str, parameters: Parameters, *, deadline: datetime | None, timeout_seconds: float
    ) -> list[Row]:
        """Run a statement; it is not cancelled on the server where it is given up.

        psycopg would ask the server for that, and wait for seconds: one that is frozen cannot.
        """
        call = asyncio.create_task(self._fetch(sql, {**parameters, "deadline": deadline}))
        self._call = call
        try:
            await asyncio.wait({call}, timeout=timeout_seconds)
            if not call.done():
                raise TimeoutError
            return call.result()
        finally:
            if not call.done():
                self._cut_off()
                await asyncio.gather(call, return_exceptions=True)
            self._call = None

    async def _fetch(self, sql: str, parameters: Parameters) -> list[Row]:
        cursor = await self._connection.execute(sql.encode(), parameters, prepare=True, binary=True)
        return await cursor.fetchall()

    def close(self) -> None:
        """Close it; where a call is under way, let that fail first, as it waits for the socket."""
        if self._call is None:
            self._connection.pgconn.finish()
        else:
            self._cut_off()

    def _cut_off(self) -> None:
        """Let the call under way fail at once, if it has not done so yet."""
        with (
            suppress(OSError, psycopg.OperationalError),
            socket.socket(fileno=os.dup(self._connection.fileno())) as end,
        ):
            end.shutdown(socket.SHUT_RDWR)
