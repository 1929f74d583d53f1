"""The place of one viewer: how far it has come, and what lets it watch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.access import Principal, Watched
from server.errors import TailrunError
from server.handlers.http.peer import Peer
from server.output.cursor import Pace

MAX_RECEIVED_BYTES = 256 * 1024
"""What a WebSocket viewer may send between two sweeps, in whatever frames."""

REFUSED_SECONDS = 3.0
"""How long a viewer that was refused has to take that; then it is cut off."""


@dataclass(slots=True)
class Place:
    """The place of one viewer; `writer` and `websocket` are set once its answer has begun.

    `principal` is who watches, by what let him in: found valid last at `seen_at`; at `look_at` it
    is looked at again. `refusal` is why he may not any more; `refused_task`, while there is one,
    tells the viewer. `pace` says how much it is sent at a time. `send_alive` is called when it was
    sent nothing for `alive_seconds`. Of one that is `closing` nothing but its close frame is
    awaited.
    """

    transport: asyncio.WriteTransport
    peer: Peer
    task: asyncio.Task[object]
    watched: Watched
    principal: Principal
    seen_at: float = 0.0
    look_at: float = 0.0
    refusal: TailrunError | None = None
    refused_at: float = 0.0
    refused_task: asyncio.Task[object] | None = None
    writer: AbstractStreamWriter | None = None
    websocket: web.WebSocketResponse | None = None
    pace: Pace = field(default_factory=Pace)
    closing: bool = False
    acknowledged: int = 0
    received_bytes: int = 0
    progress_at: float = 0.0
    sent_at: float = 0.0
    alive_seconds: float = 0.0
    send_alive: Callable[[], Awaitable[object]] | None = None

    async def drain(self, size: int) -> None:
        """Wait until the kernel has the `size` bytes just sent; the pace is how long that takes.

        The caller holds no reference to what was sent, as a viewer may let it wait for long.
        """
        began = self.sent_at = asyncio.get_running_loop().time()
        if self.writer is not None:
            await self.writer.drain()
        self.pace.took(size, asyncio.get_running_loop().time() - began)

    def progressed(self) -> bool:
        """Return whether the peer has acknowledged anything meanwhile, or has nothing to."""
        # An acknowledgement is the one sign of life. A slow viewer gives it, however far behind it
        # is; a pong would prove less, as the ping waits behind output.
        if not self.peer.outstanding():
            return not self.closing
        before, self.acknowledged = self.acknowledged, self.peer.acknowledged()
        return self.acknowledged != before

    def is_flooding(self) -> bool:
        """Return whether a WebSocket viewer has sent too much since the last sweep."""
        if self.websocket is None:
            return False
        before, self.received_bytes = self.received_bytes, self.peer.received()
        return self.received_bytes - before > MAX_RECEIVED_BYTES

    def keep_alive(self, alive_seconds: float, send_alive: Callable[[], Awaitable[object]]) -> None:
        """Have `send_alive` called whenever the viewer was sent nothing for so long."""
        self.alive_seconds, self.send_alive = alive_seconds, send_alive
        self.sent_at = asyncio.get_running_loop().time()

    def is_long_refused(self, now: float) -> bool:
        """Return whether the viewer was refused a while ago, and is still here."""
        return self.refusal is not None and now - self.refused_at >= REFUSED_SECONDS

    def is_silent(self, now: float) -> bool:
        """Return whether the viewer is to be sent a sign of life."""
        return (
            self.send_alive is not None
            and now - self.sent_at >= self.alive_seconds
            # What waits to be taken is a sign of life already, and another would wait behind it.
            and not self.transport.get_write_buffer_size()
        )

    @contextmanager
    def refusable(self) -> Iterator[None]:
        """Have the current task, within, told of a refusal, so that it can tell the viewer.

        Raises:
            TailrunError: the viewer is refused.
        """
        task = self.refused_task = asyncio.current_task()
        assert task is not None  # a viewer is served in one
        try:
            yield
        except asyncio.CancelledError:
            # Another cancellation, which ends the viewer in any case, may have come as well.
            if self.refusal is None or task.uncancel() > 0:
                raise
            raise self.refusal from None
        finally:
            self.refused_task = None

    def refuse(self, error: TailrunError, now: float) -> None:
        """End what the viewer is sent; it is told why where that can be said, else cut off."""
        if self.refusal is not None:
            return
        self.refusal, self.refused_at = error, now
        if self.refused_task is not None:
            self.refused_task.cancel()
        elif not self.closing:
            self.cut_off()

    def cut_off(self) -> None:
        """End the connection and what is done for the viewer, at once."""
        self.transport.abort()
        self.task.cancel()
