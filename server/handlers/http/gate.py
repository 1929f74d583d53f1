"""Who is connected: the limit on connections, and how long a request may take to arrive.

aiohttp has neither: a connection that sends nothing, or half a request, stays for an hour. So each
of its protocols stands behind one of ours, which sees what arrives; nothing private of it is used.
Nor does it end a connection whose peer does not take the answer, which waits in memory.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from aiohttp import web

from server.handlers.http.peer import TcpConnection

HEADERS_SECONDS = 10.0
"""From a connection, or the first byte of a further request, to the end of its headers."""

BODY_SECONDS = 30.0
BODY_BYTES_PER_SECOND = 1000
"""A body that comes at this rate is waited for beyond BODY_SECONDS."""

LINGER_SECONDS = 10.0
"""For the answer to a request whose body did not come; then the connection is cut."""

STALL_SECONDS = 15.0
"""An answer of which nothing is taken for so long is given up; viewers' are in viewers.py."""

MAX_UNTAKEN_BYTES = 64 * 1024 * 1024
"""All answers that wait in memory for their clients, at most: beyond it no large one is begun."""

LARGE_BYTES = 64 * 1024  # a smaller answer may always begin

SWEEP_SECONDS = 1.0
CANDIDATES = 16  # of the idle connections, when one of them must be closed

TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BodyTimeoutError(TimeoutError):
    """A request's body did not arrive in time."""


class Gate(asyncio.Protocol):
    """What stands before aiohttp's protocol of one connection, and hands everything on."""

    def __init__(self, gates: "Gates", protocol: asyncio.Protocol) -> None:
        self._gates = gates
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.request: web.Request | None = None
        self.waiting_since: float | None = self._loop.time()
        self.requested_at = 0.0
        self.received = 0
        self._connection: TcpConnection | None = None
        self._answered = False
        self._acknowledged = 0
        self._taking_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register a connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._connection = TcpConnection(transport)
        self._gates.enter(self)
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note that something arrived; without a request it is the beginning of one."""
        self.received += len(data)
        if self.request is None and self.waiting_since is None:
            self.waiting_since = self._loop.time()
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand it on."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Hand it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._gates.leave(self)
        self._protocol.connection_lost(exc)

    @property
    def is_writing(self) -> bool:
        """Whether the client has not yet taken all that it was sent."""
        return self.untaken_bytes > 0

    @property
    def untaken_bytes(self) -> int:
        """How much waits in this process for the client."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def begin(self, request: web.Request) -> None:
        """Note that a request's headers are there."""
        self.request, self.waiting_since = request, None
        self.requested_at = self._loop.time()

    def end(self) -> None:
        """Note that a request has been answered."""
        # What was received counts anew for the next request of the connection.
        self.request, self.received = None, 0
        self._answered, self._taking_since = True, self._loop.time()

    def close(self) -> None:
        """Close the connection, which has no request; half of one is answered."""
        self._gates.leave(self)
        assert self.transport is not None
        if self.is_writing:
            # close() would wait forever for a client that does not take its last answer.
            self.transport.abort()
            return
        if self.waiting_since is not None and self.received:
            self.transport.write(TOO_LATE)
        self.transport.close()

    def check_taken(self, now: float, *, stall_seconds: float) -> None:
        """End a connection whose peer has acknowledged nothing of an answer for so long."""
        if not self._answered or self.request is not None:
            return
        assert self._connection is not None and self.transport is not None  # noqa: PT018
        try:
            self._answered = self._connection.outstanding() > 0
            before, self._acknowledged = self._acknowledged, self._connection.acknowledged()
        except (OSError, ValueError):  # its descriptor is closed
            self._answered = False
            return
        if self._acknowledged != before:
            self._taking_since = now
        elif self._answered and now - self._taking_since >= stall_seconds:
            self.transport.abort()

    def check(self, now: float, *, headers_seconds: float, body_seconds: float) -> None:
        """End what has been waited for long enough."""
        if self.request is None:
            if self.waiting_since is not None and now - self.waiting_since > headers_seconds:
                self.close()
        elif not self.request.content.is_eof():
            # Each byte that comes gives the body more time.
            late = now - self.requested_at - body_seconds - self.received / BODY_BYTES_PER_SECOND
            if late > 0 and self.request.content.exception() is None:
                # The handler that reads the body answers 408, for which there is some time left.
                self.request.content.set_exception(BodyTimeoutError())
            if late > LINGER_SECONDS and self.transport is not None:
                self.transport.abort()


class Gates:
    """All connections. At the limit a newcomer takes the place of the one that has idled longest.

    One with a request under way, such as a viewer, is never closed; `full` says that all have.
    """

    def __init__(
        self,
        limit: int,
        *,
        headers_seconds: float = HEADERS_SECONDS,
        body_seconds: float = BODY_SECONDS,
        stall_seconds: float = STALL_SECONDS,
        max_untaken_bytes: int = MAX_UNTAKEN_BYTES,
    ) -> None:
        self.limit = limit
        self._stall_seconds = stall_seconds
        self._max_untaken_bytes = max_untaken_bytes
        self._headers_seconds = headers_seconds
        self._body_seconds = body_seconds
        self._gates: dict[asyncio.BaseTransport, Gate] = {}
        self._idle: dict[Gate, None] = {}  # in the order in which they became it

    def __len__(self) -> int:
        return len(self._gates)

    @property
    def full(self) -> bool:
        """Whether there are more connections than the limit."""
        return len(self) > self.limit

    def has_room_for(self, answer: web.StreamResponse) -> bool:
        """Whether an answer may wait in memory for its client, with those that wait already."""
        # What is sent piece by piece does not wait here, and what is small does not matter.
        if not isinstance(answer, web.Response) or (answer.content_length or 0) <= LARGE_BYTES:
            return True
        untaken = sum(gate.untaken_bytes for gate in self._gates.values() if gate.request is None)
        return untaken < self._max_untaken_bytes

    def factory(self, server: Callable[[], asyncio.Protocol]) -> Callable[[], Gate]:
        """Return what makes the protocols of connections, in front of those of a server."""
        return lambda: Gate(self, server())

    async def watch(self) -> None:
        """End requests that do not arrive, and answers that are not taken, forever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS, self._headers_seconds))
            now = loop.time()
            for gate in [*self._gates.values()]:
                gate.check(
                    now, headers_seconds=self._headers_seconds, body_seconds=self._body_seconds
                )
                gate.check_taken(now, stall_seconds=self._stall_seconds)

    @contextmanager
    def serving(self, request: web.Request) -> Iterator[None]:
        """Count a connection as one with a request under way."""
        transport = request.transport
        gate = self._gates.get(transport) if transport is not None else None
        if gate is None:  # the connection is closed already
            yield
            return
        gate.begin(request)
        self._idle.pop(gate, None)
        try:
            yield
        finally:
            gate.end()
            if gate.transport in self._gates:
                self._idle[gate] = None

    def enter(self, gate: Gate) -> None:
        """Register a connection, and close the longest idle one if there are too many."""
        assert gate.transport is not None
        self._gates[gate.transport] = gate
        if self.full and self._idle:
            longest = [*islice(self._idle, CANDIDATES)]
            # One that has taken all that it was sent loses nothing.
            settled = (one for one in longest if not one.is_writing)
            next(settled, longest[0]).close()
        self._idle[gate] = None

    def leave(self, gate: Gate) -> None:
        """Forget a connection; harmless if repeated."""
        self._idle.pop(gate, None)
        if gate.transport is not None:
            self._gates.pop(gate.transport, None)
