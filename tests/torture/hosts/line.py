"""A line between a process and what it speaks to over TCP: it can fall silent, and be cut."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PIECE_BYTES = 1 << 16

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: what is not sent is dropped, and the peer gets a reset (socket(7))."""


class Way(Enum):
    """A direction, as the process sees it."""

    OUT = "out"
    IN = "in"


BOTH_WAYS = (Way.OUT, Way.IN)


class Line:
    """Passes connections to a port of the loopback interface on to what `reach` connects with.

    A way that is silent swallows: what is sent stays on the way, an end is not told of, and nobody
    is refused, as where a network is parted.
    """

    def __init__(self, reach: Callable[[], Awaitable[Ends]]) -> None:
        self.port = 0
        self._reach = reach
        self._open = {way: asyncio.Event() for way in Way}
        self._silent: Counter[Way] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None
        for way in self._open.values():
            way.set()

    async def start(self) -> None:
        """Listen; `port` is where."""
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def end(self) -> None:
        """Cut all, and listen no more."""
        if self._listening is not None:
            self._listening.close()
        self.cut()
        for way in self._open.values():
            way.set()
        if self._passing:
            await asyncio.wait(self._passing)

    def swallow(self, *ways: Way) -> None:
        """Fall silent these ways, until each is mended as often."""
        for way in ways:
            self._silent[way] += 1
            self._open[way].clear()

    def mend(self, *ways: Way, late: bool) -> None:
        """Pass on again what goes these ways.

        `late`: what was swallowed comes now; else who waited for it is cut off instead.
        """
        if not late:
            self.cut()
        for way in ways:
            self._silent[way] -= 1
            if not self._silent[way]:
                self._open[way].set()

    def cut(self) -> None:
        """Reset all connections; new ones are passed on."""
        while self._writers:
            _reset(self._writers.pop())

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, asking = await self._reach()
        except OSError:  # nobody is there
            _reset(writer)
            await self._closed(writer)
            return
        self._writers.add(asking)
        await asyncio.gather(
            self._pump(reader, asking, self._open[Way.OUT]),
            self._pump(answers, writer, self._open[Way.IN]),
        )
        await asyncio.gather(self._closed(writer), self._closed(asking))

    async def _closed(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await writer.wait_closed()
        self._writers.discard(writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                await opened.wait()
                if writer.transport.is_closing():
                    break
                writer.write(data)
                await writer.drain()
        await opened.wait()
        if not writer.transport.is_closing():
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        writer.transport.abort()
