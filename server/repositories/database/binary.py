"""Connections of aiopg's whose statements are prepared, and that send and read bytes as they are.

aiopg's driver, psycopg2, has no way to send or read bytes but as text: PostgreSQL's parser looks at
each character of what is stored, and what is read takes twice its bytes, in the event loop
(docs/architecture.md). So the statements that store and read output, and no others, are sent by
libpq itself (libpq.py), over connections that aiopg makes and that are set apart for them.
"""

import asyncio
import ctypes
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Self

import aiopg
import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from server.repositories.database import libpq
from server.repositories.database.connections import connected
from server.repositories.database.types import Parameters, Row


class BinaryConnection:
    """Runs single statements.

    A parameter is text, a whole number, an id, a time, None, or a list of bytes (bytea[]); what
    comes back are values of Python's. A statement that changes something must itself check its
    deadline, `%(deadline)s`, as CHECK_DEADLINE does. A call that is given up ends the connection:
    its socket is shut down, and nothing more is sent or read.
    """

    clock = 0.0  # the pool sets it, once it has asked for the server's time

    def __init__(self, connection: aiopg.Connection, library: ctypes.CDLL) -> None:
        self._connection = connection
        self._library = library
        self._loop = asyncio.get_running_loop()
        self._prepared: dict[str, tuple[bytes, list[str]]] = {}
        self._sending = False
        self._answered: asyncio.Future[None] | None = None
        # aiopg has the socket watched for as long as it is open, and would read the answers. It
        # is not asked for anything from here on, but to close.
        self._fileno: int = connection.raw.fileno()
        self._loop.remove_reader(self._fileno)

    @classmethod
    async def connect(cls, library: ctypes.CDLL, dsn: str, timeout_seconds: float) -> Self:
        """Connect; the library is that of `libpq.load`."""
        return cls(await connected(dsn, timeout_seconds), library)

    @property
    def usable(self) -> bool:
        """Whether it is open and outside of transactions; notices what the server closed."""
        # The first time it may read the server's last words, and only then the end behind them.
        return all(self._library.PQconsumeInput(self._pgconn) for _ in range(2)) and self._idle

    async def execute(
        self, sql: str, parameters: Parameters, *, deadline: datetime | None, timeout_seconds: float
    ) -> list[Row]:
        """Run a statement; it is not cancelled on the server where it is given up.

        A server that is frozen could not be asked for that; the deadline does it.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                given = {**parameters, "deadline": deadline}
                statement, names = await self._prepare(sql, given)
                values = [given[name] for name in names]
                return await self._results(
                    libpq.send(self._library, self._pgconn, statement, values)
                )
        finally:
            if not self._idle:
                self.close()

    def close(self) -> None:
        """Close it; a call under way fails."""
        if self._connection.closed:
            return
        self._resolve(psycopg2.InterfaceError("the connection is closed"))
        # Otherwise libpq would still send what is left, and the server would do it. On a lost
        # connection libpq has closed the socket already (OSError).
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.raw.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    @property
    def _pgconn(self) -> int | None:
        """The connection as libpq has it; None, which libpq refuses, when it is closed."""
        pointer: int | None = self._connection.raw.pgconn_ptr
        return pointer

    @property
    def _idle(self) -> bool:
        raw = self._connection.raw
        return not raw.closed and raw.info.transaction_status == TRANSACTION_STATUS_IDLE

    async def _prepare(self, sql: str, names: Iterable[str]) -> tuple[bytes, list[str]]:
        """Return the statement's name on the server, and those of its parameters in order."""
        if sql not in self._prepared:
            used = [name for name in names if f"%({name})s" in sql]
            numbered = sql % {name: f"${number}" for number, name in enumerate(used, 1)}
            name = b"statement_%d" % len(self._prepared)
            await self._results(
                self._library.PQsendPrepare(self._pgconn, name, numbered.encode(), 0, None)
            )
            self._prepared[sql] = name, used
        return self._prepared[sql]

    async def _results(self, sent: bool) -> list[Row]:  # noqa: FBT001  libpq's answer to sending
        """Return the rows of what was sent, and read its results to the last."""
        if not sent:
            raise self._lost()
        rows: list[Row] | None = None
        failed: psycopg2.Error | None = None
        while (result := await self._result()) is not None:
            try:
                rows = libpq.rows(self._library, result)
            except psycopg2.Error as error:
                if failed is not None:  # COPY fails again and again, without an end
                    raise
                failed = error
            finally:
                self._library.PQclear(result)
        if failed is not None or rows is None:
            raise failed or self._lost()
        return rows

    async def _result(self) -> int | None:
        """Return the next result once it is there, None after the last."""
        if not self._advance():
            answered = self._answered = self._loop.create_future()
            self._loop.add_reader(self._fileno, self._on_readable)
            if self._sending:
                self._loop.add_writer(self._fileno, self._on_writable)
            try:
                await answered
            finally:
                self._stop_waiting()
        result: int | None = self._library.PQgetResult(self._pgconn)
        return result

    def _advance(self) -> bool:
        """Send what the socket takes; return whether all is sent and a result is there."""
        pending = self._library.PQflush(self._pgconn)
        if pending < 0:
            raise self._lost()
        self._sending = bool(pending)
        return not self._sending and not self._library.PQisBusy(self._pgconn)

    def _on_readable(self) -> None:
        """Read what is there, even before all is sent: a server that writes may not read."""
        if self._library.PQconsumeInput(self._pgconn):
            self._on_writable()
        else:
            self._fail(self._lost())

    def _on_writable(self) -> None:
        try:
            if self._advance():
                self._resolve(None)
            elif not self._sending:
                self._loop.remove_writer(self._fileno)
        except psycopg2.Error as error:
            self._fail(error)

    def _fail(self, error: psycopg2.Error) -> None:
        """Close at once: libpq may have closed the socket, whose number is soon another file's."""
        self._resolve(error)
        self.close()

    def _resolve(self, error: psycopg2.Error | None) -> None:
        answered = self._stop_waiting()
        if answered is None or answered.done():
            return
        if error is None:
            answered.set_result(None)
        else:
            answered.set_exception(error)

    def _stop_waiting(self) -> "asyncio.Future[None] | None":
        """Stop watching the socket; return the future that waited for it, if there is one."""
        answered, self._answered = self._answered, None
        if answered is not None:
            self._loop.remove_reader(self._fileno)
            self._loop.remove_writer(self._fileno)
        return answered

    def _lost(self) -> psycopg2.Error:
        return libpq.error(self._library.PQerrorMessage(self._pgconn))
