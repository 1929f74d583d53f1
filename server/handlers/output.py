"""The exact bytes of a run's output over HTTP: all, a part, or followed to the end."""

import errno
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from uuid import UUID

from aiohttp import hdrs, web

from server.errors import TailrunError
from server.handlers import sse
from server.handlers.http import negotiation, sending
from server.handlers.http.keys import COMMANDS, RUNS, VIEWERS, WATCHING
from server.handlers.http.operation import Header, operation
from server.handlers.http.parameters import query, run_id
from server.handlers.http.problems import InvalidInputError
from server.handlers.http.viewers import Place
from server.handlers.schemas.output import OutputAsked, OutputQuery
from server.models import Run
from server.output.cursor import Frame, Pace, StreamFormat
from server.output.index import OutputDamagedError
from server.output.lines import parse_lines
from server.output.ranges import UnsatisfiableRangeError, parse_range
from server.output.source import Output
from server.output.start import Start
from server.services.archive.reader import ArchivedOutput

FOLLOWED = {"X-Accel-Buffering": "no", "Vary": "Accept"}
"""nginx shall not wait for the end before it passes on what comes."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of an output that is asked for: [start, end), and how HTTP calls it."""

    start: int
    end: int
    status: int = 200
    content_range: str | None = None


@operation(
    tag="runs",
    summary="Get a run's output",
    description="The exact bytes. `offset`, `tail`, `lines` or the header `Range: bytes=a-b` ask"
    " for a part. `follow=true` keeps on until the run ends. The output of a finished run is sent"
    " as stored to clients that accept the encoding zstd.",
    query=OutputQuery,
    produces=("text/plain", sse.MEDIA_TYPE),
    headers=(
        Header("Range", "bytes=a-b, bytes=a- or bytes=-n", errors=(416,)),
        Header(sse.LAST_EVENT_ID, "the id of the last event that came", errors=(422,)),
    ),
    answers={
        200: ("The output.", None),
        204: ("The reader of events has been told the end.", None),
        206: ("The range that was asked for.", None),
    },
    errors=(410,),
)
async def get_output(request: web.Request) -> web.StreamResponse:
    """Answer a run's output."""
    asked = query(request, OutputAsked)
    events = negotiation.accepts_events(request.headers.get(hdrs.ACCEPT, ""))
    if asked.format == "sse" or (asked.follow and events):
        return await sse.answer(request, asked.start)
    run = (await request.app[RUNS].get(run_id(request))).run
    if asked.follow:
        return await _follow(request, run.id, asked.start)
    async with request.app[RUNS].output(run.id) as output:
        part = await _part(request, run, output, asked)
        zstd = _takes_zstd(request, output, part)
        response = await _response(request, run, part, zstd=zstd)
        if sending.bodiless(request, response):
            return await sending.send_head(request, response)
        with request.app[VIEWERS].admit(run.id, request) as place:
            pieces = _pieces(output, part, place.pace, zstd=zstd)
            return await sending.send(request, place, response, pieces)


async def _response(
    request: web.Request, run: Run, part: _Part, *, zstd: bool
) -> web.StreamResponse:
    """Make the answer; what does not change any more has a tag, and is not sent again."""
    headers = {"Vary": "Accept-Encoding", "Accept-Ranges": "bytes"}
    if run.state.final:
        headers["ETag"] = tag = negotiation.entity_tag(run.id, run.output_bytes, zstd=zstd)
        if negotiation.has_it_already(request.headers.get(hdrs.IF_NONE_MATCH, ""), tag):
            return sending.text_answer(304, headers)
    headers["Content-Disposition"] = await _disposition(request, run)
    if zstd:
        headers["Content-Encoding"] = "zstd"
    else:
        headers["Content-Length"] = str(part.end - part.start)
    if part.content_range is not None:
        headers["Content-Range"] = part.content_range
    return sending.text_answer(part.status, headers)


async def _disposition(request: web.Request, run: Run) -> str:
    """Name an output by its command; without the database, which one that is live does without."""
    name = f"run {run.id}"
    if run.state.final:
        with suppress(TailrunError):
            name = (await request.app[COMMANDS].get(run.command_id)).command.name
    return negotiation.disposition(name, run.start_time)


def _takes_zstd(request: web.Request, output: Output, part: _Part) -> bool:
    """Tell whether a part is sent as it is stored; an empty one is no frame, and no encoding."""
    return (
        isinstance(output, ArchivedOutput)
        and part.content_range is None
        and part.start < part.end
        and negotiation.accepts_zstd(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    )


async def _part(request: web.Request, run: Run, output: Output, asked: OutputAsked) -> _Part:
    if asked.lines is not None:
        return await _lines(output, asked.lines)
    size = output.size
    range_header = request.headers.get(hdrs.RANGE)
    tag = negotiation.entity_tag(run.id, size, zstd=False) if run.state.final else None
    if (
        asked.start == Start()
        and range_header is not None
        and negotiation.range_holds(request.headers.get(hdrs.IF_RANGE), tag)
    ):
        return _range(range_header, size)
    return _Part(min(await asked.start.offset_in(output), size), size)


async def _lines(output: Output, text: str) -> _Part:
    try:
        first, last = parse_lines(text)
    except ValueError as error:
        raise InvalidInputError({"lines": [str(error)]}) from error
    end = output.size if last is None else await output.line_offset(last + 1)
    return _Part(await output.line_offset(first), end)


def _range(header: str, size: int) -> _Part:
    """Read a Range header; one that is not understood is ignored (RFC 9110 §14.2)."""
    try:
        start, end = parse_range(header, size)
    except UnsatisfiableRangeError as error:
        raise web.HTTPRequestRangeNotSatisfiable(
            headers={"Content-Range": f"bytes */{size}"}, text=str(error)
        ) from error
    except ValueError:
        return _Part(0, size)
    return _Part(start, end, 206, f"bytes {start}-{end - 1}/{size}")


def _pieces(output: Output, part: _Part, pace: Pace, *, zstd: bool) -> AsyncGenerator[bytes, None]:
    if zstd and isinstance(output, ArchivedOutput):
        return output.compressed(part.start, part.end, lambda: pace.slab_bytes)
    return _plain(output, part, pace)


async def _plain(output: Output, part: _Part, pace: Pace) -> AsyncGenerator[bytes, None]:
    offset = part.start
    while offset < part.end:
        ready = [await output.read(offset, min(pace.slab_bytes, part.end - offset))]
        if not ready[0]:
            raise OutputDamagedError(errno.EIO, f"The output ends at byte {offset} meanwhile")
        offset += len(ready[0])
        yield ready.pop()


async def _follow(request: web.Request, run: UUID, start: Start) -> web.StreamResponse:
    response = sending.text_answer(200, FOLLOWED)
    if sending.bodiless(request, response):
        return await sending.send_head(request, response)
    with request.app[VIEWERS].admit(run, request) as place:
        return await sending.send(request, place, response, _payloads(request, run, start, place))


async def _payloads(
    request: web.Request, run: UUID, start: Start, place: Place
) -> AsyncGenerator[bytes, None]:
    watching = request.app[WATCHING]
    events = watching.watch(run, StreamFormat.RAW, start, pace=place.pace)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Frame):
                ready = [event.payload]
                del event
                yield ready.pop()
