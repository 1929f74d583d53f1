"""Server-sent events: the json stream as an answer of HTTP, where no WebSocket passes.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from http import HTTPStatus
from uuid import UUID

from aiohttp import hdrs, web
from aiohttp.http import StreamWriter

from server.errors import TailrunError
from server.handlers import access, messages
from server.handlers.http import negotiation, sending
from server.handlers.http.answers import base_path
from server.handlers.http.keys import PRINCIPAL, RUNS, VIEWERS
from server.handlers.http.parameters import run_id
from server.handlers.http.place import Place
from server.handlers.http.problems import InvalidInputError
from server.handlers.http.rendering import MayOf, nothing
from server.handlers.schemas.output import MAX_OFFSET, OutputAsked
from server.output.cursor import Frame, StreamFormat
from server.output.start import Start
from server.services.watching import Ended, Event, Wanted

FORMAT = "sse"
MEDIA_TYPE = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"

RETRY_MILLISECONDS = 1000
"""The pause before an EventSource that was cut off comes back."""

REFUSED_RETRY_MILLISECONDS = 5000
"""The pause before one comes back that could not be served."""

END_ID = "end"
"""The id of the last event: a client that comes back with it has received everything."""

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def answer(request: web.Request, asked: OutputAsked) -> web.StreamResponse:
    """Answer a run's stream as events, from `Last-Event-ID` on where that is given."""
    last = request.headers.get(LAST_EVENT_ID, "")
    if last == END_ID:  # an EventSource comes back after the end; 204 keeps it away
        return web.Response(status=204)
    start = Start(_offset(last)) if last else asked.start
    wanted = Wanted(StreamFormat.JSON, start, asked.max_behind, text=asked.text)
    response = _response()
    stream = _Events(response, base_path(request))
    try:
        if request.method != hdrs.METH_HEAD:
            view = await request.app[RUNS].get(run_id(request))
            run, stream.may_of = view.run.id, await access.may_of_runs(request, [view])
            with request.app[VIEWERS].admit(run, request, request[PRINCIPAL]) as place:
                await stream.begin(place, await sending.begin(request, response, place))
                await _send(request, run, wanted, place, stream)
        await response.prepare(request)
    except TailrunError as error:
        await response.prepare(request)
        await stream.refuse(request, error)
    await response.write_eof()
    return response


async def refused(request: web.Request, error: TailrunError) -> web.StreamResponse:
    """Refuse a viewer who may not come as far as the stream: an EventSource reads no status.

    Raises:
        TailrunError: a status can say why, as no EventSource asks.
    """
    events = negotiation.accepts_events(request.headers.get(hdrs.ACCEPT, ""))
    asked = request.query.get("format") == FORMAT or (events and "follow" in request.query)
    if not asked or request.method == hdrs.METH_HEAD:
        raise error
    if request.headers.get(LAST_EVENT_ID) == END_ID:  # it was told before, and comes back
        return web.Response(status=204)
    response = _response()
    await response.prepare(request)
    await _Events(response, base_path(request)).refuse(request, error)
    await response.write_eof()
    return response


def _response() -> web.StreamResponse:
    response = web.StreamResponse(headers=HEADERS)
    response.content_type, response.charset = MEDIA_TYPE, "utf-8"
    return response


async def _send(
    request: web.Request, run: UUID, wanted: Wanted, place: Place, stream: "_Events"
) -> None:
    try:
        with place.refusable():
            await messages.send_events(request, run, wanted, place, stream.write)
    except TailrunError as error:
        # While it has its place, since it may take its time to take that.
        await stream.refuse(request, error)


def _offset(last: str) -> int:
    """Read the offset that the last event's id is.

    Raises:
        InvalidInputError: it is none of ours.
    """
    if last.isascii() and last.isdecimal() and len(last) < 20 and int(last) <= MAX_OFFSET:
        return int(last)
    raise InvalidInputError({LAST_EVENT_ID: ["It must be the id of an event of this run."]})


class _Events:
    """Writes a run's events as those of an EventSource; links begin with `base`.

    `may_of` is for whom it is sent to.
    """

    def __init__(self, response: web.StreamResponse, base: str) -> None:
        self._response = response
        self.may_of: MayOf = nothing
        self._base = base
        self._place: Place | None = None
        self._writer: StreamWriter | None = None

    async def begin(self, place: Place, writer: StreamWriter) -> None:
        """Take a viewer's place, and say when an EventSource is to come back after a cut."""
        self._place, self._writer = place, writer
        place.keep_alive(
            messages.ALIVE_SECONDS, lambda: self._write(b"data: %b\n\n" % messages.alive())
        )
        await self._write(b"retry: %d\n\n" % RETRY_MILLISECONDS)

    async def write(self, event: Event) -> int:
        """Write an event; the id of one with output is where the following starts."""
        if isinstance(event, Frame):
            lines = b"id: %d\ndata: %b\n\n" % (event.next, event.payload)
        else:
            name = f"id: {END_ID}\n".encode() if isinstance(event, Ended) else b""
            lines = name + b"data: %b\n\n" % messages.encode(event, self._base, self.may_of)
        if self._writer is not None:
            await self._writer.write(lines, drain=False)
        return len(lines)

    async def refuse(self, request: web.Request, error: TailrunError) -> None:
        """Say why the viewer is not served: for good, or until it comes back later."""
        kind, _, message = messages.refusal(request, error)
        later = kind.status == HTTPStatus.SERVICE_UNAVAILABLE
        field = f"retry: {REFUSED_RETRY_MILLISECONDS}" if later else f"id: {END_ID}"
        await self._write(b"%b\ndata: %b\n\n" % (field.encode(), message))

    async def _write(self, lines: bytes) -> None:
        await self._response.write(lines)
        if self._place is not None:
            await self._place.drain(len(lines))
