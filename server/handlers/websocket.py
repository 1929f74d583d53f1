"""One viewer at a WebSocket: what it is sent, while what it sends is read and discarded."""

import asyncio
import struct
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from uuid import UUID

from aiohttp import WSCloseCode, WSMsgType, web

from server.errors import TailrunError
from server.handlers import messages
from server.handlers.http.place import Place
from server.handlers.http.rendering import MayOf, nothing
from server.handlers.http.viewers import CLOSE_SECONDS
from server.output.cursor import Frame, StreamFormat
from server.services.running.outcome import close_reason
from server.services.tasks import cancel_and_wait
from server.services.watching import Ended, Event, Wanted

MESSAGES_A_SECOND = 20
MESSAGES_AT_ONCE = 100
"""A viewer that sends more, pings included, is closed (code 1008)."""

TOO_MUCH = f"a viewer may send {MESSAGES_A_SECOND} messages a second"

FINAL_CODES = 4000
"""Close codes of ours (RFC 6455, section 7.4.2), of which the rest is a status: 4404, 4410."""

MAX_REASON_BYTES = 123
"""What a close frame has room for (RFC 6455, section 5.5)."""

ANSWER_SECONDS = 1.0
"""How long a viewer that has taken everything has to answer the close frame."""

_CODE = struct.Struct("!H")


class Allowance:
    """How many messages a viewer may send: a bucket that is filled as time goes by."""

    def __init__(self) -> None:
        self._left = float(MESSAGES_AT_ONCE)
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take one; False when there is none."""
        passed = 0.0 if self._filled_at is None else now - self._filled_at
        self._filled_at = now
        self._left = min(self._left + passed * MESSAGES_A_SECOND, MESSAGES_AT_ONCE) - 1
        return self._left >= 0


class Socket:
    """Writes a run's events to a WebSocket; links begin with `base`.

    `reason` says how the run ended, once that was written.
    """

    def __init__(
        self, websocket: web.WebSocketResponse, stream_format: StreamFormat, base: str
    ) -> None:
        self.websocket = websocket
        self.format = stream_format
        self.reason = ""
        self._base = base
        self._may_of: MayOf = nothing
        self._place: Place | None = None
        self._left = asyncio.Event()
        self._left.set()

    def take(self, place: Place, ping_seconds: float, may_of: MayOf) -> None:
        """Take a viewer's place; from now on it is sent something, however long nothing comes."""
        self._place, self._may_of = place, may_of
        place.websocket = self.websocket
        place.peer.limit_receiving()
        # A page cannot see pings. That none is answered proves nothing: it may wait behind output.
        if self.format is StreamFormat.JSON:
            place.keep_alive(messages.ALIVE_SECONDS, lambda: self.send(messages.alive()))
        else:
            place.keep_alive(ping_seconds, self.websocket.ping)

    async def write(self, event: Event) -> int:
        """Write an event, where the format has a message for it; return how many bytes."""
        if isinstance(event, Frame):
            opcode = WSMsgType.TEXT if event.text else WSMsgType.BINARY
            await self.websocket.send_frame(event.payload, opcode)
            return len(event.payload)
        if isinstance(event, Ended):
            self.reason = close_reason(event.run.state, event.run.exitcode, event.run.signal)
        if self.format is not StreamFormat.JSON:
            return 0
        message = messages.encode(event, self._base, self._may_of)
        await self.websocket.send_frame(message, WSMsgType.TEXT)
        return len(message)

    async def refuse(self, request: web.Request, error: TailrunError) -> None:
        """Say why the viewer is not served, and close."""
        kind, detail, message = messages.refusal(request, error)
        if self.format is StreamFormat.JSON:
            await self.send(message)
        later = kind.status == HTTPStatus.SERVICE_UNAVAILABLE
        code = WSCloseCode.TRY_AGAIN_LATER if later else FINAL_CODES + kind.status
        await self.close(code, detail)

    async def close(self, code: int, reason: str) -> None:
        """Close; a viewer that is behind has until it has come to the close frame."""
        if self._place is not None:
            self._place.closing = True
        # A character that was cut in two is left out.
        message = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
        if self._place is None or self._left.is_set():
            await self.websocket.close(code=code, message=message)
            return
        # While it is read from, aiohttp's close() would not wait for the answer. Over TLS the frame
        # and the end of the connection then come to a client in one piece, and it cannot answer.
        await self.websocket.send_frame(_CODE.pack(code) + message, WSMsgType.CLOSE)
        self._place.send_alive = None  # nothing may follow that frame
        try:
            await self._answer(self._place)
        finally:
            self._place.transport.close()

    async def receive(self) -> bool:
        """Read what the viewer sends until it leaves; True when that is too much."""
        self._left.clear()
        try:
            return await _receive(self.websocket)
        finally:
            self._left.set()

    async def _answer(self, place: Place) -> None:
        """Wait until the viewer has answered the close frame, or has taken it and does not."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._left.wait()
                    return
            try:
                if not place.peer.outstanding():
                    return
            except (OSError, ValueError):  # its descriptor is closed
                return

    async def send(self, message: bytes) -> None:
        """Write a message, and wait until the kernel has it."""
        await self.websocket.send_frame(message, WSMsgType.TEXT)
        if self._place is not None:
            await self._place.drain(len(message))


async def serve(
    request: web.Request, socket: Socket, send: Coroutine[object, object, None], name: str
) -> None:
    """Have a viewer sent what `send` sends, until that ends, or it leaves or sends too much."""
    sending = asyncio.create_task(send, name=name)
    sending.add_done_callback(partial(_abort_after_a_fault, request.transport))
    try:
        is_flooding = await socket.receive()
    finally:
        await cancel_and_wait(sending)
        with suppress(asyncio.CancelledError, ConnectionError):
            sending.result()
    if is_flooding:
        if request.transport is not None:
            request.transport.pause_reading()  # one that floods may not even see the close frame
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await socket.close(WSCloseCode.POLICY_VIOLATION, TOO_MUCH)


async def send_run(
    request: web.Request, run_id: UUID, socket: Socket, wanted: Wanted, place: Place
) -> None:
    """Send a viewer all of a run, and close."""
    try:
        with place.refusable():
            await messages.send_events(request, run_id, wanted, place, socket.write)
    except TailrunError as error:
        await socket.refuse(request, error)
    else:
        await socket.close(WSCloseCode.OK, socket.reason)


def _abort_after_a_fault(
    transport: asyncio.Transport | None, sending: "asyncio.Task[None]"
) -> None:
    """Cut the connection: the viewer must not wait for what will not come."""
    if not sending.cancelled() and sending.exception() is not None and transport is not None:
        transport.abort()


async def _receive(websocket: web.WebSocketResponse) -> bool:
    """Read what the viewer sends until it leaves; True when that is too much."""
    allowance, clock = Allowance(), asyncio.get_running_loop().time
    async for message in websocket:
        if not allowance.take(clock()):
            return True
        if message.type is WSMsgType.PING:
            await websocket.pong(message.data)
    return False
