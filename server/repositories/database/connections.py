"""Connections to PostgreSQL: what each offers, and the one that most statements are sent over.

Those that store and read output are sent over another (binary.py), which is used alike.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

import aiopg
import psycopg2
from psycopg2.extensions import (
    POLL_OK,
    POLL_WRITE,
    PYDATETIMETZ,
    TRANSACTION_STATUS_IDLE,
    cursor,
    new_type,
    register_type,
)
from psycopg2.extras import register_default_json, register_default_jsonb

from server.repositories.database.types import Parameters, Row

if TYPE_CHECKING:
    from weakref import ref

CHECK_DEADLINE = "SELECT commands_check_deadline('{deadline}'); "
"""Precedes each statement of a `TextConnection`. A server that was frozen goes on with what it was
sent minutes ago, and given up by us: a run that was refused would be stored, one that has another
owner now taken from it. So the server is sent a deadline with each statement; after that it fails,
in its transaction."""


TOO_LATE = "TR001"
"""The SQLSTATE of a statement whose deadline has passed (migrations/0003.deadlines.sql)."""


class TooLateError(psycopg2.OperationalError):
    """The server came to a statement after its deadline, and did nothing."""


class Connection(Protocol):
    """A connection that runs one statement after the other, each in a transaction of its own."""

    clock: float
    """The server's clock, in Unix seconds, less the event loop's."""

    @property
    def usable(self) -> bool:
        """Whether it is open and outside of transactions, as far as is known here."""

    async def execute(
        self, sql: str, parameters: Parameters, *, deadline: datetime | None, timeout_seconds: float
    ) -> list[Row]:
        """Run a statement and return its rows.

        Raises:
            TimeoutError: the answer did not come in time; close the connection.
            TooLateError: the server came to it after `deadline`, and did nothing.
            psycopg2.Error: it failed otherwise.
        """

    def close(self) -> None:
        """Close it; what is under way fails. Closing it again does nothing."""


Connect = Callable[[str, float], Awaitable[Connection]]
"""Connects with libpq's connection string, and a time-out in seconds."""


EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


def _read_timestamp(value: str | bytes | None, cur: cursor) -> datetime | None:
    """Read a timestamp; one that Python cannot hold is read as the earliest or the latest.

    Somebody may have written such a row, which must not fail every list that it is in.
    """
    try:
        moment: datetime | None = PYDATETIMETZ(value, cur)
    except (ValueError, OverflowError):
        return EARLIEST if str(value).endswith("BC") else LATEST
    return moment


TIMESTAMP = new_type(PYDATETIMETZ.values, "TIMESTAMP", _read_timestamp)

MOST_CHARACTERS = len(str(-(2**63)))
"""Of a whole number of 64 bits."""


def _read_whole(text: str) -> float:
    """Read a whole number of JSON; one that 64 bits do not hold is a float, infinite at the worst.

    PostgreSQL writes 1e300 as 301 digits; no answer could hold that, and every list with it fails.
    """
    whole = int(text) if len(text) <= MOST_CHARACTERS else 2**63
    return whole if -(2**63) <= whole < 2**63 else float(text)


read_json = partial(json.loads, parse_int=_read_whole)
"""Reads a column of JSON."""


class _Watching(aiopg.Connection):
    """aiopg's, which watches the socket that libpq has at the moment, and no other.

    libpq closes one that fails, and takes another one where it may connect otherwise, as without
    TLS (`sslmode`). aiopg goes on watching the number, which is another file's soon: that of
    somebody who connects with us would not be heard any more.
    """

    _made = False

    @staticmethod
    def _ready(weak_self: "ref[Any]") -> None:
        self = weak_self()
        if self is None:
            return
        if self._made:
            super(_Watching, self)._ready(weak_self)
            if self._conn.closed:
                self._ignore_socket()
            return
        self._ignore_socket()
        try:
            self._watch(self._conn.poll())
        except psycopg2.Error as error:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)

    def _watch(self, state: int) -> None:
        self._fileno = self._conn.fileno()
        self._loop.add_reader(self._fileno, self._ready, self._weakref)
        self._writing = state == POLL_WRITE
        if self._writing:
            self._loop.add_writer(self._fileno, self._ready, self._weakref)
        if state == POLL_OK:
            self._made = True
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    def _ignore_socket(self) -> None:
        if self._fileno is not None:
            self._loop.remove_reader(self._fileno)
            self._loop.remove_writer(self._fileno)
        self._fileno, self._writing = None, False


async def connected(dsn: str, timeout_seconds: float) -> aiopg.Connection:
    """Connect by aiopg, without its questions about the types hstore and json."""
    return await _Watching(dsn, timeout_seconds, enable_hstore=False, enable_json=False)


class TextConnection:
    """aiopg's: a statement may be several, and holds its parameters as text."""

    clock = 0.0  # the pool sets it, once it has asked for the server's time

    def __init__(self, connection: aiopg.Connection) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, dsn: str, timeout_seconds: float) -> Self:
        """Connect."""
        connection = await connected(dsn, timeout_seconds)
        register_type(TIMESTAMP, connection.raw)
        register_default_json(connection.raw, loads=read_json)
        register_default_jsonb(connection.raw, loads=read_json)
        return cls(connection)

    @property
    def usable(self) -> bool:
        """Whether it is open and outside of transactions."""
        status = None if self._connection.closed else self._connection.raw.info.transaction_status
        return status == TRANSACTION_STATUS_IDLE

    async def execute(
        self, sql: str, parameters: Parameters, *, deadline: datetime | None, timeout_seconds: float
    ) -> list[Row]:
        """Run a statement, after CHECK_DEADLINE."""
        check = "" if deadline is None else CHECK_DEADLINE.format(deadline=deadline.isoformat())
        async with self._connection.cursor() as answer:
            try:
                await answer.execute(check + sql, parameters, timeout=timeout_seconds)
            except psycopg2.DatabaseError as error:
                if error.pgcode == TOO_LATE:
                    raise TooLateError(str(error)) from error
                raise
            return list(await answer.fetchall())

    def close(self) -> None:
        """Close it."""
        self._connection.close()
