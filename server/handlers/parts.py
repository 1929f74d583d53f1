"""Which part of an output HTTP answers with, and the bytes of it."""

import errno
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from aiohttp import hdrs, web

from server.errors import ArchiveDamagedError
from server.handlers.http import negotiation
from server.handlers.http.problems import InvalidInputError
from server.handlers.schemas.output import OutputAsked
from server.models import Run
from server.output.cursor import Pace
from server.output.index import OutputDamagedError
from server.output.lines import parse_lines
from server.output.ranges import UnsatisfiableRangeError, parse_range
from server.output.source import Output
from server.output.start import Start


@dataclass(frozen=True, slots=True)
class Part:
    """The part of an output that is asked for: [start, end), and how HTTP calls it."""

    start: int
    end: int
    status: int = 200
    content_range: str | None = None


async def part_of(request: web.Request, run: Run, output: Output, asked: OutputAsked) -> Part:
    """Return the part that a request asks for: by lines, a start, a range or, with none, all.

    Raises:
        InvalidInputError: the lines are no such numbers.
        HTTPRequestRangeNotSatisfiable: the range is outside of the output.
    """
    if asked.lines is not None:
        return _bounded(await _lines(output, asked.lines), asked)
    size = output.size
    tag = negotiation.entity_tag(run.id, size, zstd=False) if run.state.final else None
    if asked.start == Start() and negotiation.range_holds(request.headers.get(hdrs.IF_RANGE), tag):
        return _range(request.headers.get(hdrs.RANGE, ""), size)
    return _bounded(Part(min(await asked.start.offset_in(output), size), size), asked)


def _bounded(part: Part, asked: OutputAsked) -> Part:
    """Return the start of a part, of as many bytes as were asked for."""
    limit = asked.start.max_bytes
    return part if limit is None else replace(part, end=min(part.end, part.start + limit))


async def place_of(output: Output, part: Part) -> dict[str, str]:
    """Return the headers that tell where a part is in the output as it is now.

    Without them goes what cannot be told, as the output is damaged there.
    """
    size = max(output.size, part.end)
    try:
        told = {
            "First-Line": await output.lines_before(part.start) + 1,
            "Offset": part.start,
            "Next": part.end,
            "Total-Lines": await output.line_count(size),
            "Size": size,
        }
    except (ArchiveDamagedError, OutputDamagedError):
        return {}
    return {f"Tailrun-{name}": str(value) for name, value in told.items()}


async def _lines(output: Output, text: str) -> Part:
    try:
        first, last = parse_lines(text)
    except ValueError as error:
        raise InvalidInputError({"lines": [str(error)]}) from error
    end = output.size if last is None else await output.line_offset(last + 1)
    # Where there is no such line, the output may have grown since the end was asked for.
    return Part(min(await output.line_offset(first), end), end)


def _range(header: str, size: int) -> Part:
    try:
        start, end = parse_range(header, size)
    except UnsatisfiableRangeError as error:
        raise web.HTTPRequestRangeNotSatisfiable(
            headers={"Content-Range": f"bytes */{size}"}, text=str(error)
        ) from error
    except ValueError:  # there is none, or none that is understood: it is ignored (RFC 9110, 14.2)
        return Part(0, size)
    return Part(start, end, 206, f"bytes {start}-{end - 1}/{size}")


async def plain_bytes(output: Output, part: Part, pace: Pace) -> AsyncGenerator[bytes, None]:
    """Iterate over a part's bytes, as many at a time as the pace allows.

    Raises:
        OutputDamagedError: somebody has cut the output meanwhile.
    """
    offset = part.start
    while offset < part.end:
        ready = [await output.read(offset, min(pace.slab_bytes, part.end - offset))]
        if not ready[0]:
            raise OutputDamagedError(errno.EIO, f"The output ends at byte {offset} meanwhile")
        offset += len(ready[0])
        yield ready.pop()
