"""The connections to the server: those that are idle, and new ones.

aiopg has a pool, too. It makes a new connection under the lock that returning one takes, so that
a server which answers but accepts no new connection (it is starved, or out of them) stops the calls
that have one already; it does not wake waiters when a connection breaks; and it looks names up in
the event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import psycopg2
from psycopg2.extensions import make_dsn

from server.repositories.database.connections import Connect, Connection
from server.repositories.database.names import targets

KEEPALIVE_SECONDS = 30
"""After so much silence TCP probes whether a server on another host is still there."""

CANCEL_SECONDS = 1.0
"""How much later than we the server gives a statement up: we no longer wait for the answer, but it
must not hold locks forever."""

SET_UP = """
    SELECT set_config('TimeZone', 'UTC', false),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('statement_timeout', %(statement_timeout)s, false),
        set_config('client_min_messages', 'error', false),
        extract(epoch FROM clock_timestamp())::float8
"""
"""For a new connection: it does not depend on the server's own settings, nor on its clock.

Notices would be kept by psycopg2, and nobody reads them."""


class Pool:
    """Up to `max_connections` connections, made by `connect` when they are needed.

    `timeout_seconds` bounds the wait for one, and what the server takes to make it.
    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        connect: Connect,
        *,
        max_connections: int,
        timeout_seconds: float,
    ) -> None:
        self._parameters = {
            "fallback_application_name": "tailrun",
            "keepalives_idle": str(KEEPALIVE_SECONDS),
            "tcp_user_timeout": str(int(timeout_seconds * 1000)),
            **parameters,
            "client_encoding": "UTF8",  # whatever the URL or the environment says
        }
        self._connect = connect
        self._timeout_seconds = timeout_seconds
        self._places = asyncio.Semaphore(max_connections)
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._closed = True

    def open(self) -> None:
        """Permit connections to be made."""
        self._closed = False

    def close(self) -> None:
        """Close all connections, those in use and those that are being made too."""
        self._closed = True
        self.clear()
        for connection in self._used:
            connection.close()

    def clear(self) -> None:
        """Close the idle connections: they may lead to a server that is gone."""
        while self._idle:
            self._idle.pop().close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Provide the connection that was used last, or a new one.

        It is kept for the next call, unless it broke or was left in a transaction.

        Raises:
            TimeoutError: none came free, or the server did not answer.
        """
        async with asyncio.timeout(self._timeout_seconds):
            await self._places.acquire()
            try:
                connection = await self._take()
            except BaseException:
                self._places.release()
                raise
        self._used.add(connection)
        try:
            yield connection
        finally:
            self._used.discard(connection)
            if connection.usable:
                self._idle.append(connection)
            else:
                connection.close()
            self._places.release()

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            # The server may have closed it meanwhile.
            if connection.usable:
                return connection
            connection.close()
        if self._closed:
            raise psycopg2.InterfaceError("it is closed")
        connection = await self._new()
        if self._closed:  # since it was begun: `close` did not know of it
            connection.close()
            raise psycopg2.InterfaceError("it is closed")
        return connection

    async def _new(self) -> Connection:
        """Return a connection to the first address that takes one."""
        places = await targets(self._parameters)
        # Each address gets a share of the time, so that one that is silent does not take all of it.
        # The last one may take what is left; its error is the one that is raised.
        for place in places[:-1]:
            with suppress(psycopg2.OperationalError, TimeoutError):
                return await self._new_to(place, self._timeout_seconds / len(places))
        return await self._new_to(places[-1], self._timeout_seconds)

    async def _new_to(self, parameters: Mapping[str, str], timeout_seconds: float) -> Connection:
        async with asyncio.timeout(timeout_seconds):
            connection = await self._connect(make_dsn(**parameters), timeout_seconds)
            try:
                statement_timeout = str(int((self._timeout_seconds + CANCEL_SECONDS) * 1000))
                [(*_, now)] = await connection.execute(
                    SET_UP,
                    {"statement_timeout": statement_timeout},
                    deadline=None,
                    timeout_seconds=self._timeout_seconds,
                )
            except BaseException:  # a cancellation, too: nobody else has it yet
                connection.close()
                raise
            connection.clock = float(now) - asyncio.get_running_loop().time()
            return connection
