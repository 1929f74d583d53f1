"""The exact bytes of a run's output over HTTP: all, a part, or followed to the end."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from uuid import UUID

from aiohttp import hdrs, web

from server.errors import TailrunError
from server.handlers import sse
from server.handlers.http import negotiation, sending
from server.handlers.http.keys import COMMANDS, PRINCIPAL, RUNS, VIEWERS, WATCHING
from server.handlers.http.operation import Header, operation
from server.handlers.http.parameters import query, run_id
from server.handlers.parts import Part, part_of, place_of, plain_bytes
from server.handlers.schemas.output import OutputAsked, OutputQuery
from server.models import Run
from server.output.cursor import Frame, Pace, StreamFormat
from server.output.source import Output
from server.output.start import Start
from server.services.archive.reader import ArchivedOutput
from server.services.watching import Wanted

FOLLOWED = {"X-Accel-Buffering": "no", "Vary": "Accept"}
"""nginx shall not wait for the end before it passes on what comes."""

PLACE = {
    "Tailrun-First-Line": "the number of the line that the part's first byte belongs to",
    "Tailrun-Offset": "where the part's first byte is",
    "Tailrun-Next": "the offset behind its last byte",
    "Tailrun-Total-Lines": "the lines that there are now; an unfinished last one counts",
    "Tailrun-Size": "the bytes that there are now",
}
"""Headers of answers to `lines`, `tail`, `offset` and `max_bytes`."""


@operation(
    tag="runs",
    summary="Get a run's output",
    description="The exact bytes. `offset`, `tail`, `lines` or the header `Range: bytes=a-b` ask"
    " for a part, of which `max_bytes` bounds the length; headers tell where it is."
    " `follow=true` keeps on until the run ends. The output of a finished run is sent"
    " as stored to clients that accept the encoding zstd.",
    query=OutputQuery,
    produces=("text/plain", sse.MEDIA_TYPE),
    headers=(
        Header("Range", "bytes=a-b, bytes=a- or bytes=-n", errors=(416,)),
        Header(sse.LAST_EVENT_ID, "the id of the last event that came", errors=(422,)),
    ),
    answers={
        200: ("The output.", None),
        204: ("The reader of events has received the end.", None),
        206: ("The range that was asked for.", None),
    },
    answer_headers=PLACE,
    errors=(410,),
)
async def get_output(request: web.Request) -> web.StreamResponse:
    """Answer a run's output."""
    asked = query(request, OutputAsked)
    events = negotiation.accepts_events(request.headers.get(hdrs.ACCEPT, ""))
    if asked.format == sse.FORMAT or (asked.follow and events):
        return await sse.answer(request, asked)
    run = (await request.app[RUNS].get(run_id(request))).run
    if asked.follow:
        return await _follow(request, run.id, asked.start)
    async with request.app[RUNS].output(run.id) as output:
        part = await part_of(request, run, output, asked)
        zstd = _takes_zstd(request, output, part)
        place_told = await place_of(output, part) if asked.is_part else {}
        response = await _response(request, run, part, place_told, zstd=zstd)
        if sending.bodiless(request, response):
            return await sending.send_head(request, response)
        with request.app[VIEWERS].admit(run.id, request, request[PRINCIPAL]) as place:
            if zstd and isinstance(output, ArchivedOutput):
                pieces = output.compressed(part.start, part.end, lambda: place.pace.slab_bytes)
            else:
                pieces = plain_bytes(output, part, place.pace)
            return await sending.send(request, place, response, pieces)


def _takes_zstd(request: web.Request, output: Output, part: Part) -> bool:
    """Return whether a part is sent as it is stored."""
    return (
        isinstance(output, ArchivedOutput)
        and part.content_range is None
        and part.start < part.end  # an empty part is no zstd frame
        and negotiation.accepts_zstd(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    )


async def _response(
    request: web.Request, run: Run, part: Part, place_told: Mapping[str, str], *, zstd: bool
) -> web.StreamResponse:
    """Make the answer; what does not change any more has a tag, and is not sent again."""
    headers = {"Vary": "Accept-Encoding", "Accept-Ranges": "bytes", **place_told}
    name = f"run {run.id}"
    if run.state.final:
        headers["ETag"] = tag = negotiation.entity_tag(run.id, run.output_bytes, zstd=zstd)
        if negotiation.has_it_already(request.headers.get(hdrs.IF_NONE_MATCH, ""), tag):
            return sending.text_answer(304, headers)
        # The output of a live run is read without the database, which may be away.
        with suppress(TailrunError):
            name = (await request.app[COMMANDS].get(run.command_id)).command.name
    headers["Content-Disposition"] = negotiation.disposition(name, run.start_time)
    if zstd:
        headers["Content-Encoding"] = "zstd"
    else:
        headers["Content-Length"] = str(part.end - part.start)
    if part.content_range is not None:
        headers["Content-Range"] = part.content_range
    return sending.text_answer(part.status, headers)


async def _follow(request: web.Request, run: UUID, start: Start) -> web.StreamResponse:
    response = sending.text_answer(200, FOLLOWED)
    if sending.bodiless(request, response):
        return await sending.send_head(request, response)

    async def payloads(pace: Pace) -> AsyncGenerator[bytes, None]:
        events = request.app[WATCHING].watch(run, Wanted(StreamFormat.RAW, start), pace=pace)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Frame):
                    ready = [event.payload]
                    del event
                    yield ready.pop()

    with request.app[VIEWERS].admit(run, request, request[PRINCIPAL]) as place:
        return await sending.send(request, place, response, payloads(place.pace))
