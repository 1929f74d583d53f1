"""Server-sent events: the json stream as an answer of HTTP, where no WebSocket passes.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.http import StreamWriter

from server.errors import TailrunError
from server.handlers import telling
from server.handlers.http import sending
from server.handlers.http.answers import base_path
from server.handlers.http.keys import RUNS, VIEWERS
from server.handlers.http.parameters import run_id
from server.handlers.http.problems import InvalidInputError, told
from server.handlers.http.viewers import Place
from server.handlers.schemas import MAX_OFFSET
from server.handlers.telling import Telling
from server.output.cursor import Frame, Pace, StreamFormat

MEDIA_TYPE = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"

RETRY_MILLISECONDS = 1000
"""When an EventSource that was cut off comes back."""

REFUSED_RETRY_MILLISECONDS = 5000
"""When one comes back that could not be served."""

END_ID = "end"
"""The id of the last event: who comes back with it has been told everything."""

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def answer(request: web.Request, asked: Mapping[str, Any]) -> web.StreamResponse:
    """Answer a run's stream as events, from `Last-Event-ID` on where that is given.

    After its end an EventSource comes back, and is told by 204 to stay away.
    """
    last = request.headers.get(LAST_EVENT_ID, "")
    if last == END_ID:
        return web.Response(status=204)
    if last:
        asked = {**asked, "offset": _offset(last), "tail": None}
    response = web.StreamResponse(headers=HEADERS)
    response.content_type, response.charset = MEDIA_TYPE, "utf-8"
    sink = _Events(response)
    try:
        if request.method != hdrs.METH_HEAD:
            await _tell(request, asked, sink)
        await response.prepare(request)
    except TailrunError as error:
        await response.prepare(request)
        await sink.refuse(request, error)
    await response.write_eof()
    return response


async def _tell(request: web.Request, asked: Mapping[str, Any], sink: "_Events") -> None:
    service = request.app[RUNS]
    run = (await service.get(run_id(request))).run.id
    with request.app[VIEWERS].admit(run, request) as place:
        await sink.take(place, await sending.begin(request, sink.response, place))
        await Telling(service, run, sink, StreamFormat.JSON, base_path(request)).tell(asked)


def _offset(last: str) -> int:
    """Read the offset that the last event's id tells."""
    if last.isascii() and last.isdecimal() and len(last) < 20 and int(last) <= MAX_OFFSET:
        return int(last)
    raise InvalidInputError({LAST_EVENT_ID: ["It must be the id of an event of this run."]})


class _Events:
    """A Sink that is an answer of events."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response
        self.pace = Pace()
        self._place: Place | None = None
        self._writer: StreamWriter | None = None

    async def take(self, place: Place, writer: StreamWriter) -> None:
        """Take a viewer's place, and tell an EventSource when to come back after a cut."""
        self._place, self._writer, self.pace = place, writer, place.pace
        place.break_silence(telling.ALIVE_SECONDS, self._tell_alive)
        await self._write(b"retry: %d\n\n" % RETRY_MILLISECONDS)

    async def put(self, frame: Frame) -> int:
        """Send output; its id is where the following starts."""
        event = b"id: %d\ndata: %b\n\n" % (frame.next, frame.payload)
        if self._writer is not None:
            await self._writer.write(event, drain=False)
        return len(event)

    async def taken(self, size: int) -> None:
        """Wait until more may be sent."""
        if self._place is not None:
            await self._place.taken(size)

    async def tell(self, value: Mapping[str, Any]) -> None:
        """Send an object that is no output."""
        name = f"id: {END_ID}\n".encode() if value["type"] == "end" else b""
        await self._write(name + b"data: %b\n\n" % orjson.dumps(value))

    async def refuse(self, request: web.Request, error: TailrunError) -> None:
        """Tell why the viewer is not served: for good, or until it comes back later."""
        kind, detail = told(request, error)
        event = orjson.dumps(telling.refused(kind.status, detail))
        later = kind.status == HTTPStatus.SERVICE_UNAVAILABLE
        field = f"retry: {REFUSED_RETRY_MILLISECONDS}" if later else f"id: {END_ID}"
        await self._write(b"%b\ndata: %b\n\n" % (field.encode(), event))

    async def _tell_alive(self) -> None:
        await self.tell(telling.alive())

    async def _write(self, event: bytes) -> None:
        await self.response.write(event)
        await self.taken(len(event))
