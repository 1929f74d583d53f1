"""The exact bytes of a run's output over HTTP: all, a part, or followed to the end."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import hdrs, web

from server.handlers import schemas, sse
from server.handlers.keys import RUNS, VIEWERS
from server.handlers.openapi import operation
from server.handlers.parameters import query, run_id
from server.handlers.problems import InvalidInputError
from server.handlers.telling import start_offset
from server.output.cursor import StreamFormat, frames
from server.output.lines import parse_lines
from server.output.ranges import UnsatisfiableRangeError, parse_range
from server.output.source import Output
from server.services.archive import ArchivedOutput, stored

SLAB_BYTES = 256 * 1024

FOLLOWED = {"X-Accel-Buffering": "no"}
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
    of="run",
    summary="Get a run's output",
    description="The exact bytes. `offset`, `tail`, `lines` or the header `Range: bytes=a-b` ask"
    " for a part. `follow=true` keeps on until the run ends. The output of a finished run is sent"
    " as stored to clients that accept the encoding zstd.",
    query=schemas.OutputQuery,
    produces=("text/plain", sse.MEDIA_TYPE),
    headers=({"name": "Range", "description": "bytes=a-b, bytes=a- or bytes=-n"},),
    answers={
        200: ("The output.", None),
        206: ("The range that was asked for.", None),
    },
    errors=(403, 404, 416, 422, 503),
)
async def get_output(request: web.Request) -> web.StreamResponse:
    """Answer a run's output."""
    run, asked = run_id(request), query(request)
    if asked["format"] == "sse" or (asked["follow"] and _wants_events(request)):
        return await sse.answer(request, asked)
    await request.app[RUNS].get(run)
    if asked["follow"]:
        return await _follow(request, run, asked)
    async with request.app[RUNS].output(run) as output:
        part = await _part(output, asked, request.headers.get(hdrs.RANGE))
        if (
            isinstance(output, ArchivedOutput)
            and part.content_range is None
            and "zstd" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
        ):
            return await _send(
                request, stored(output, part.start, part.end), {"Content-Encoding": "zstd"}
            )
        headers = {"Content-Length": str(part.end - part.start), "Accept-Ranges": "bytes"}
        if part.content_range is not None:
            headers["Content-Range"] = part.content_range
        return await _send(request, _plain(output, part), headers, status=part.status)


async def _part(output: Output, asked: dict[str, Any], range_header: str | None) -> _Part:
    size = output.size
    if asked["lines"] is not None:
        return await _lines(output, asked["lines"])
    if asked["offset"] is None and asked["tail"] is None and range_header is not None:
        return _range(range_header, size)
    return _Part(min(await start_offset(output, asked), size), size)


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


async def _plain(output: Output, part: _Part) -> AsyncIterator[bytes]:
    offset = part.start
    while offset < part.end:
        data = await output.read(offset, min(SLAB_BYTES, part.end - offset))
        offset += len(data)
        yield data


def _wants_events(request: web.Request) -> bool:
    """Tell whether it is an EventSource that asks."""
    accepted = request.headers.get(hdrs.ACCEPT, "").split(",")
    return any(one.partition(";")[0].strip().lower() == sse.MEDIA_TYPE for one in accepted)


async def _follow(request: web.Request, run: UUID, asked: Mapping[str, Any]) -> web.StreamResponse:
    async def payloads() -> AsyncIterator[bytes]:
        service = request.app[RUNS]
        live = service.live(run)
        async with service.followed(run) as output:
            start = await start_offset(output, asked)
            async for frame in frames(output, StreamFormat.RAW, start):
                yield frame.payload
        await service.ended(run, live)

    with request.app[VIEWERS].admit(run, request):
        return await _send(request, payloads(), FOLLOWED)


async def _send(
    request: web.Request,
    pieces: AsyncIterator[bytes],
    headers: Mapping[str, str],
    *,
    status: int = 200,
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={**headers, "Vary": "Accept-Encoding"})
    response.content_type = "text/plain"
    response.charset = "utf-8"
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response
