"""The stream: a WebSocket that follows one run. docs/api.md is its contract."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from uuid import UUID

import orjson
from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from marshmallow import Schema

from server.errors import TailrunError
from server.handlers import schemas, telling
from server.handlers.http.answers import base_path
from server.handlers.http.keys import RUNS, SETTINGS, VIEWERS
from server.handlers.http.operation import ProblemSchema, operation
from server.handlers.http.parameters import command_id, query, run_id
from server.handlers.http.problems import told
from server.handlers.http.viewers import CLOSE_SECONDS, Place
from server.handlers.telling import Telling
from server.output.cursor import Frame, Pace, StreamFormat
from server.services.running.outcome import close_reason
from server.services.tasks import end

MAX_MESSAGE_BYTES = 4096
"""A viewer has nothing to say; what it says is read and forgotten, up to this size."""

MESSAGES_A_SECOND = 20
MESSAGES_AT_ONCE = 100
"""A viewer that says more, pings among it, is closed (code 1008)."""

TOO_MUCH = f"a viewer may send {MESSAGES_A_SECOND} messages a second"

NEVER_BYTES = 2**62
"""After so much aiohttp would wait for the viewer, and hold the frame meanwhile; we do it after."""

CLOSING_SECONDS = 86400.0
"""For a viewer to answer the close frame, as long as it takes what comes before: see Viewers."""

FINAL_CODES = 4000
"""Close codes of ours (RFC 6455, section 7.4.2), of which the rest is a status: 4404, 4410."""

MAX_REASON_BYTES = 123
"""What a close frame has room for (RFC 6455, section 5.5)."""

NO_HANDSHAKE = (
    "This is a WebSocket, and the request is no handshake of one. Where a proxy stands in between,"
    " have it pass on the headers Upgrade and Connection; without a WebSocket the output is at"
    " runs/{id}/output?follow=true."
)

DESCRIPTION = """A WebSocket. `offset` starts at a byte, `tail` at the last lines, neither at the
start. `text`: whole lines without the last newline, an unfinished line after 250 ms of silence or
500 ms in all. No message is larger than 1 MiB.
`json`: objects of type `run`, `output`, `alive`, `end` and `refused`. `raw`: binary messages, the
exact bytes. The close frame has code 1000 and the run's end (`exit 0`, `signal SIGKILL`, `stopped`,
`timed out`, `lost`); 1001 when the server goes down: come back with the last offset; 1013 when the
viewer cannot be served now, 4404 when there is no such run, 4410 when its archive is damaged."""

ANSWERS: dict[int, tuple[str, type[Schema] | None]] = {
    101: ("The stream begins.", None),
    400: ("It is no WebSocket handshake.", ProblemSchema),
}

Find = Callable[[web.Request], Awaitable[UUID]]


@operation(
    tag="stream",
    summary="Watch a run",
    description=DESCRIPTION,
    query=schemas.StreamQuery,
    answers=ANSWERS,
)
async def stream_run(request: web.Request) -> web.StreamResponse:
    """Stream a run."""
    return await _stream(request, _asked_run)


@operation(
    tag="stream",
    summary="Watch the command's newest run",
    description=DESCRIPTION,
    query=schemas.StreamQuery,
    answers=ANSWERS,
)
async def stream_command(request: web.Request) -> web.StreamResponse:
    """Stream a command's newest run."""
    return await _stream(request, _newest_run)


async def _asked_run(request: web.Request) -> UUID:
    return (await request.app[RUNS].get(run_id(request))).run.id


async def _newest_run(request: web.Request) -> UUID:
    return (await request.app[RUNS].latest(command_id(request))).run.id


async def _stream(request: web.Request, find: Find) -> web.StreamResponse:
    """Serve a viewer; one that cannot be served is told so by a frame.

    Browsers do not let a page read the status of a refused handshake.
    """
    asked = query(request)
    if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
        raise web.HTTPBadRequest(text=NO_HANDSHAKE)
    websocket = web.WebSocketResponse(
        compress=asked["deflate"],
        max_msg_size=MAX_MESSAGE_BYTES,
        autoping=False,
        timeout=CLOSING_SECONDS,
        writer_limit=NEVER_BYTES,
    )
    sink = _Socket(websocket, StreamFormat(asked["format"]))
    try:
        run = await find(request)
        with request.app[VIEWERS].admit(run, request) as place:
            place.writer = await websocket.prepare(request)
            sink.take(place, request.app[SETTINGS].viewers.ping_seconds)
            await _Viewer(request, run, sink).serve(asked)
    except TailrunError as error:
        if not websocket.can_prepare(request):
            raise
        await websocket.prepare(request)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await sink.refuse(request, error)
    return websocket


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


class _Socket:
    """A Sink that is a WebSocket."""

    def __init__(self, websocket: web.WebSocketResponse, stream_format: StreamFormat) -> None:
        self.websocket = websocket
        self.format = stream_format
        self.pace = Pace()
        self._place: Place | None = None

    def take(self, place: Place, ping_seconds: float) -> None:
        """Take a viewer's place; from now on something is said to it, however long nothing comes.

        A page cannot see pings. That nobody answers one proves nothing: it may wait behind output.
        """
        self._place, self.pace = place, place.pace
        place.websocket = self.websocket
        place.peer.listen_little()
        if self.format is StreamFormat.JSON:
            place.break_silence(telling.ALIVE_SECONDS, self._tell_alive)
        else:
            place.break_silence(ping_seconds, self.websocket.ping)

    async def put(self, frame: Frame) -> int:
        """Send output; returns how many bytes."""
        opcode = WSMsgType.TEXT if frame.text else WSMsgType.BINARY
        await self.websocket.send_frame(frame.payload, opcode)
        return len(frame.payload)

    async def taken(self, size: int) -> None:
        """Wait until more may be sent."""
        if self._place is not None:
            await self._place.taken(size)

    async def tell(self, value: Mapping[str, Any]) -> None:
        """Send an object to a viewer of the json format; the other formats carry output alone."""
        if self.format is StreamFormat.JSON:
            payload = orjson.dumps(value)
            await self.websocket.send_frame(payload, WSMsgType.TEXT)
            await self.taken(len(payload))

    async def refuse(self, request: web.Request, error: TailrunError) -> None:
        """Tell why the viewer is not served, and close."""
        kind, detail = told(request, error)
        await self.tell(telling.refused(kind.status, detail))
        later = kind.status == HTTPStatus.SERVICE_UNAVAILABLE
        code = WSCloseCode.TRY_AGAIN_LATER if later else FINAL_CODES + kind.status
        await self.close(code, detail)

    async def _tell_alive(self) -> None:
        await self.tell(telling.alive())

    async def close(self, code: int, reason: str) -> None:
        """Close; who is behind is waited for, until it has come to the close frame."""
        if self._place is not None:
            self._place.closing = True
        message = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
        await self.websocket.close(code=code, message=message)


class _Viewer:
    """One WebSocket viewer: what it is told, while what it says is read and forgotten."""

    def __init__(self, request: web.Request, run: UUID, sink: _Socket) -> None:
        self._sink = sink
        self._request = request
        self._run_id = run
        self._telling = Telling(request.app[RUNS], run, sink, sink.format, base_path(request))

    async def serve(self, asked: Mapping[str, Any]) -> None:
        """Tell everything, until the run ends or the viewer leaves."""
        task = asyncio.create_task(self._tell(asked), name=f"view {self._run_id}")
        task.add_done_callback(self._told)
        try:
            flooded = await self._hear()
        finally:
            await end(task)
            with suppress(asyncio.CancelledError, ConnectionError):
                task.result()
        if flooded:
            await self._hang_up()

    async def _hear(self) -> bool:
        """Take what the viewer says until it leaves; True when it says too much."""
        allowance, clock = Allowance(), asyncio.get_running_loop().time
        async for message in self._sink.websocket:
            if not allowance.take(clock()):
                return True
            if message.type is WSMsgType.PING:
                await self._sink.websocket.pong(message.data)
        return False

    async def _hang_up(self) -> None:
        """Close without listening any more: whoever floods may not even see that."""
        if self._request.transport is not None:
            self._request.transport.pause_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._sink.close(WSCloseCode.POLICY_VIOLATION, TOO_MUCH)

    async def _tell(self, asked: Mapping[str, Any]) -> None:
        try:
            run = await self._telling.tell(asked)
        except TailrunError as error:
            await self._sink.refuse(self._request, error)
        else:
            reason = close_reason(run.state, run.exitcode, run.signal)
            await self._sink.close(WSCloseCode.OK, reason)

    def _told(self, task: "asyncio.Task[None]") -> None:
        """Break off when telling failed: the viewer must not wait for what will not come."""
        transport = self._request.transport
        if not task.cancelled() and task.exception() is not None and transport is not None:
            transport.abort()
