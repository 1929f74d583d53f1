"""Cursors: an output cut into the frames that one viewer is sent.

A cursor holds an offset and nothing else; it may be dropped, or cancelled, at any time.
"""

import asyncio
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import NamedTuple

from server.output.frames import cut_characters, cut_lines, json_output, to_text
from server.output.lines import newlines
from server.output.shared import Encoded, SharedFrames
from server.output.source import Output, SharesFrames

SLAB_BYTES = 256 * 1024
"""Output in one frame, at most."""

SILENCE_SECONDS = 0.25
"""An unfinished line goes out, as text, after so long without growth."""


class StreamFormat(StrEnum):
    """How a viewer is sent the output."""

    TEXT = "text"
    JSON = "json"
    RAW = "raw"


class Frame(NamedTuple):
    """One message to a viewer, valid UTF-8 when `text`; the following one starts at `next`."""

    payload: bytes
    text: bool
    next: int


def frames(
    output: Output,
    stream_format: StreamFormat,
    offset: int,
    *,
    silence_seconds: float = SILENCE_SECONDS,
    slab_bytes: int = SLAB_BYTES,
) -> AsyncGenerator[Frame, None]:
    r"""Iterate over the frames of the output from `offset` on, up to its end, as it grows.

    - `TEXT`: whole lines, one or more, without the last ``\n``. An unfinished line goes out after
      `silence_seconds` without growth, at the end, or as soon as it fills a slab; the ``\n`` that
      ends it later makes no message of its own.
    - `JSON`: see `json_output`; cut between characters, and between lines when the slab was full.
    - `RAW`: the exact bytes.

    `slab_bytes` bounds the output in one frame; it takes at least one character (4 bytes).
    """
    if stream_format is StreamFormat.TEXT:
        return _text(output, offset, silence_seconds, slab_bytes)
    if stream_format is StreamFormat.JSON:
        return _json(output, offset, slab_bytes)
    return _raw(output, offset, slab_bytes)


async def _raw(output: Output, offset: int, slab_bytes: int) -> AsyncGenerator[Frame, None]:
    shared = _shared(output)
    while True:
        await output.grown(offset)
        frame = shared.get(StreamFormat.RAW, offset)
        if frame is None:
            data, _ = await _slab(output, offset, slab_bytes)
            if not data:
                return
            frame = Encoded(data, offset + len(data))
            shared.put(StreamFormat.RAW, offset, frame)
        yield Frame(frame.payload, text=False, next=frame.next)
        offset = frame.next


async def _json(output: Output, offset: int, slab_bytes: int) -> AsyncGenerator[Frame, None]:
    shared = _shared(output)
    await output.grown(offset)  # only lines that are there are counted
    line = await output.lines_before(offset) + 1
    seen = offset
    while True:
        await output.grown(seen)
        frame = shared.get(StreamFormat.JSON, offset)
        if frame is None:
            data, final = await _slab(output, offset, slab_bytes)
            if not data:
                return
            cut = _cut_json(data, final=final, full=len(data) == slab_bytes)
            if cut == 0:
                seen = offset + len(data)
                continue
            payload = json_output(offset, line, await output.time_at(offset), data[:cut])
            frame = Encoded(payload, offset + cut, newlines(data))
            shared.put(StreamFormat.JSON, offset, frame)
        yield Frame(frame.payload, text=True, next=frame.next)
        offset = seen = frame.next
        line += frame.newlines


def _cut_json(data: bytes, *, final: bool, full: bool) -> int:
    """Cut where `json_output` says; what is left out holds no newline."""
    if full:
        return cut_lines(data) or cut_characters(data)
    return len(data) if final else cut_characters(data)


async def _text(
    output: Output, offset: int, silence_seconds: float, slab_bytes: int
) -> AsyncGenerator[Frame, None]:
    shared = _shared(output)
    seen, torn, quiet = offset, False, False
    while True:
        patience = silence_seconds if seen > offset and not quiet else None
        quiet = not await _grown_within(output, seen, patience)
        frame = None if torn else shared.get(StreamFormat.TEXT, offset)
        if frame is None:
            data, final = await _slab(output, offset, slab_bytes)
            if not data:
                return
            if torn and data.startswith(b"\n"):
                offset, seen, torn = offset + 1, offset + 1, False
                continue
            cut = _cut_text(data, final=final, due=quiet or len(data) == slab_bytes)
            if cut == 0:
                seen = offset + len(data)
                continue
            torn = not data.endswith(b"\n", 0, cut)
            frame = Encoded(to_text(data[: cut if torn else cut - 1]), offset + cut)
            if not torn:
                shared.put(StreamFormat.TEXT, offset, frame)
        yield Frame(frame.payload, text=True, next=frame.next)
        offset = seen = frame.next


def _cut_text(data: bytes, *, final: bool, due: bool) -> int:
    """Cut behind the last line; what is unfinished goes out when it is final or due."""
    unfinished = len(data) if final else cut_characters(data) if due else 0
    return cut_lines(data) or unfinished


def _shared(output: Output) -> SharedFrames:
    return output.frames if isinstance(output, SharesFrames) else SharedFrames(limit_frames=0)


async def _slab(output: Output, offset: int, slab_bytes: int) -> tuple[bytes, bool]:
    """Read a full slab, or all there is, and whether that is final.

    `ended` is looked at before `size`. Before a full slab, which will not have to wait for
    growth, the loop's other tasks have their turn.
    """
    ended, size = output.ended, output.size
    end = min(size, offset + slab_bytes)
    if end - offset == slab_bytes:
        await asyncio.sleep(0)
    parts = []
    while offset < end:
        if not (data := await output.read(offset, end - offset)):
            break  # somebody has cut the output
        parts.append(data)
        offset += len(data)
    return b"".join(parts), ended and offset >= size


async def _grown_within(output: Output, offset: int, seconds: float | None) -> bool:
    if seconds is None:
        await output.grown(offset)
        return True
    try:
        async with asyncio.timeout(seconds):
            await output.grown(offset)
    except TimeoutError:
        return False
    return True
