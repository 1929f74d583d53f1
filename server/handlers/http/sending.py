"""Output as the body of an answer, through the one door: a place among the viewers."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import cast

from aiohttp import hdrs, web
from aiohttp.http import StreamWriter

from server.handlers.http.place import Place


def text_answer(status: int, headers: Mapping[str, str]) -> web.StreamResponse:
    """Make an answer whose body is output."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_type, response.charset = "text/plain", "utf-8"
    return response


async def begin(request: web.Request, response: web.StreamResponse, place: Place) -> StreamWriter:
    """Send an answer's head; return where its body is written to."""
    place.writer = await response.prepare(request)
    return cast("StreamWriter", place.writer)


async def send(
    request: web.Request,
    place: Place,
    response: web.StreamResponse,
    pieces: AsyncGenerator[bytes, None],
) -> web.StreamResponse:
    """Send an answer piece by piece; the next is made once the viewer has taken the one before."""
    writer = await begin(request, response, place)
    async with aclosing(pieces):
        async for piece in pieces:
            size = len(piece)
            await writer.write(piece, drain=False)
            del piece  # the viewer may take its time, and nothing else is to hold the bytes
            await place.drain(size)
    await response.write_eof()
    return response


async def send_head(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send an answer without its body: for HEAD, or to a client that has it already."""
    await response.prepare(request)
    await response.write_eof()
    return response


def bodiless(request: web.Request, response: web.StreamResponse) -> bool:
    """Return whether an answer has no body."""
    return request.method == hdrs.METH_HEAD or response.status == 304
