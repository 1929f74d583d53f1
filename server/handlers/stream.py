"""The stream: a WebSocket that follows one run. docs/api.md is its contract."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import hdrs, web
from marshmallow import Schema

from server.errors import TailrunError
from server.handlers import access
from server.handlers.http.answers import base_path
from server.handlers.http.keys import PRINCIPAL, RUNS, VIEWERS
from server.handlers.http.operation import ProblemSchema, operation
from server.handlers.http.parameters import command_id, query, run_id
from server.handlers.http.viewers import CLOSE_SECONDS
from server.handlers.schemas.output import META, StreamAsked, StreamQuery
from server.handlers.websocket import Socket, send_run, serve
from server.output.cursor import StreamFormat
from server.services.running.live import RunView
from server.services.watching import Wanted

MAX_MESSAGE_BYTES = 4096
"""A viewer has nothing to send; what it sends is read and discarded, up to this size."""

UNREACHED_BYTES = 2**62
"""After so much aiohttp would wait for the viewer, and hold the frame meanwhile. `Place.drain`
waits instead, once nothing holds it."""

CLOSING_SECONDS = 86400.0
"""For a viewer to answer the close frame; Viewers drops one that takes nothing much earlier."""

NO_HANDSHAKE = (
    "This is a WebSocket, and the request is no handshake of one. Where a proxy stands in between,"
    " have it pass on the headers Upgrade and Connection; without a WebSocket the output is at"
    " runs/{id}/output?follow=true."
)

DESCRIPTION = """A WebSocket. `offset` starts at a byte, `tail` at the last lines, neither at the
start. `text`: whole lines without the last newline, an unfinished line after 250 ms of silence or
500 ms in all. No message is larger than 1 MiB.
`json`: objects of type `run`, `output`, `alive`, `end` and `refused`; with `max_behind` a viewer
that is further behind is sent what comes then. `meta`: the same, but in place of `output` there is
`growth`, how far the output is. `raw`: binary messages, the
exact bytes. The close frame has code 1000 and the run's end (`exit 0`, `signal SIGKILL`, `stopped`,
`timed out`, `lost`); 1001 when the server goes down: come back with the last offset; 1013 when the
viewer cannot be served now, 4401 when nobody is signed in, 4403 when it is not permitted, 4404 when
there is no such run, 4410 when its archive is damaged."""

ANSWERS: dict[int, tuple[str, type[Schema] | None]] = {
    101: ("The stream begins.", None),
    400: ("It is no WebSocket handshake.", ProblemSchema),
}


@operation(
    tag="stream",
    summary="Watch a run",
    description=DESCRIPTION,
    query=StreamQuery,
    answers=ANSWERS,
)
async def stream_run(request: web.Request) -> web.StreamResponse:
    """Stream a run."""
    return await _stream(request, lambda: request.app[RUNS].get(run_id(request)))


@operation(
    tag="stream",
    summary="Watch the command's newest run",
    description=DESCRIPTION,
    query=StreamQuery,
    answers=ANSWERS,
)
async def stream_command(request: web.Request) -> web.StreamResponse:
    """Stream a command's newest run."""
    return await _stream(request, lambda: request.app[RUNS].latest(command_id(request)))


async def _stream(
    request: web.Request, find: Callable[[], Awaitable[RunView]]
) -> web.StreamResponse:
    """Serve a viewer; one that cannot be served gets a frame that says why."""
    asked = query(request, StreamAsked)
    check_handshake(request)
    websocket = new_websocket(deflate=asked.deflate)
    wanted = _wanted(asked)
    socket = Socket(websocket, wanted.format, base_path(request))
    async with refusing(request, socket):
        view = await find()
        run, may_of = view.run.id, await access.may_of_runs(request, [view])
        with request.app[VIEWERS].admit(run, request, request[PRINCIPAL]) as place:
            place.writer = await websocket.prepare(request)
            socket.take(place, request.app[VIEWERS].ping_seconds, may_of)
            sending = send_run(request, run, socket, wanted, place)
            await serve(request, socket, sending, f"view {run}")
    return websocket


async def refused(request: web.Request, error: TailrunError) -> web.StreamResponse:
    """Refuse a viewer who may not come as far as the stream.

    Raises:
        TailrunError: the request is no handshake, and a status can say why.
    """
    is_json = request.query.get("format") in {StreamFormat.JSON.value, META}
    return await refuse_all(request, error, StreamFormat.JSON if is_json else StreamFormat.TEXT)


async def refuse_all(
    request: web.Request, error: TailrunError, stream_format: StreamFormat
) -> web.StreamResponse:
    """Answer a handshake with a refusal alone.

    Raises:
        TailrunError: the request is no handshake, and a status can say why.
    """
    websocket = new_websocket(deflate=False)
    if not websocket.can_prepare(request):
        raise error
    await _refuse(request, Socket(websocket, stream_format, base_path(request)), error)
    return websocket


def check_handshake(request: web.Request) -> None:
    """Refuse a request that is no handshake of a WebSocket, by a status that says why."""
    if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
        raise web.HTTPBadRequest(text=NO_HANDSHAKE)


@asynccontextmanager
async def refusing(request: web.Request, socket: Socket) -> AsyncIterator[None]:
    """Tell a viewer, over its socket, why it cannot be served.

    Raises:
        TailrunError: the request is no handshake after all.
    """
    try:
        yield
    except TailrunError as error:
        if not socket.websocket.can_prepare(request):
            raise
        await _refuse(request, socket, error)


def _wanted(asked: StreamAsked) -> Wanted:
    text = asked.format != META
    stream_format = StreamFormat(asked.format) if text else StreamFormat.JSON
    return Wanted(stream_format, asked.start, asked.max_behind, text=text)


def new_websocket(*, deflate: bool) -> web.WebSocketResponse:
    """Make the WebSocket of a viewer."""
    return web.WebSocketResponse(
        compress=deflate,
        max_msg_size=MAX_MESSAGE_BYTES,
        autoping=False,
        autoclose=False,  # websocket.py closes; aiohttp would say it twice
        timeout=CLOSING_SECONDS,
        writer_limit=UNREACHED_BYTES,
    )


async def _refuse(request: web.Request, socket: Socket, error: TailrunError) -> None:
    """Answer the handshake all the same: no page can read the status of a refused one."""
    await socket.websocket.prepare(request)
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.refuse(request, error)
