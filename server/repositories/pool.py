"""The connections to the server: those that are idle, and new ones.

aiopg has a pool, too. It makes a new connection under the lock that giving one back takes, so
that a server which answers but takes no new connection (it is starved, or out of them) stops
the calls that have one already; it does not wake who waits when a connection breaks; and it looks
names up in the event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import aiopg
from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, make_dsn

from server.repositories.names import targets

KEEPALIVE_SECONDS = 30
"""After so much silence the system looks whether a server on another host is still there."""


class Pool:
    """Connections of one service; how many are in use at a time, its user bounds."""

    def __init__(
        self,
        parameters: Mapping[str, str],
        *,
        timeout_seconds: float,
        set_up: Callable[[aiopg.Connection], Awaitable[None]],
    ) -> None:
        self._parameters = {
            "fallback_application_name": "tailrun",
            "keepalives_idle": str(KEEPALIVE_SECONDS),
            "tcp_user_timeout": str(int(timeout_seconds * 1000)),
            **parameters,
            "client_encoding": "UTF8",
        }
        self._timeout_seconds = timeout_seconds
        self._set_up = set_up
        self._idle: list[aiopg.Connection] = []
        self._used: set[aiopg.Connection] = set()
        self._closed = False

    async def take(self) -> aiopg.Connection:
        """Return the connection that was used last, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                break
        else:
            connection = await self._connect()
        if self._closed:
            connection.close()
            raise InterfaceError("connections are closed")
        self._used.add(connection)
        return connection

    def give_back(self, connection: aiopg.Connection) -> None:
        """Keep a connection for the next one, unless it broke or was left in a transaction."""
        self._used.discard(connection)
        if connection.closed:
            return
        if connection.raw.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def clear(self) -> None:
        """Close what is idle, as it may lead nowhere."""
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Close all connections, those in use and those that are being made too."""
        self._closed = True
        self.clear()
        while self._used:
            self._used.pop().close()

    async def _connect(self) -> aiopg.Connection:
        """Return a connection to the first address that takes one."""
        places = await targets(self._parameters)
        for place in places[:-1]:
            with suppress(OperationalError, TimeoutError):
                return await self._connect_to(place, self._timeout_seconds / len(places))
        return await self._connect_to(places[-1], self._timeout_seconds)

    async def _connect_to(
        self, parameters: Mapping[str, str], timeout_seconds: float
    ) -> aiopg.Connection:
        async with asyncio.timeout(timeout_seconds):
            connection = await aiopg.connect(
                make_dsn(**parameters),
                timeout=self._timeout_seconds,
                enable_hstore=False,
                enable_json=False,
            )
            try:
                await self._set_up(connection)
            except BaseException:
                connection.close()
                raise
            return connection
