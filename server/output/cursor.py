"""Cursors: an output cut into the frames that one viewer is sent.

A cursor holds an offset and nothing else; it may be dropped, or cancelled, at any time. Frames are
yielded by `ready.pop()`: while the viewer takes one, a name here would keep its bytes in memory.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from server.output.behind import caught_up
from server.output.frames import (
    JSON_SAFE_BYTES,
    MESSAGE_BYTES,
    cut_characters,
    cut_json,
    cut_lines,
    cut_text,
    json_output,
    to_text,
)
from server.output.lines import newlines
from server.output.shared import Encoded, SharedFrames
from server.output.source import Output, SharesFrames

SLAB_BYTES = 256 * 1024
"""Output in one frame, at most."""

FIRST_SLAB_BYTES = 32 * 1024
"""Output in one frame, at most, until its viewer has shown that it is quick."""

QUICK_SECONDS = 0.1
"""A viewer that takes each frame within so long is sent larger ones, after QUICK_BYTES."""

QUICK_BYTES = 512 * 1024
"""More than the kernels on both sides buffer for a viewer that reads nothing: 271 kB, measured."""

SILENCE_SECONDS = 0.25
"""An unfinished line goes out, as text, after so long without growth."""

UNFINISHED_SECONDS = 0.5
"""An unfinished line goes out, as text, so long after its first unsent byte, growing or not."""


Grown = Callable[[int], Awaitable[None]]
"""`Output.grown`, or a substitute for it; what a substitute raises ends the frames."""


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


class Pace:
    """How much output a frame may carry: little, until its viewer has shown that it is quick.

    So one that takes nothing holds little memory, and a slow one is sent something often.
    """

    def __init__(self, least_bytes: int = FIRST_SLAB_BYTES, most_bytes: int = SLAB_BYTES) -> None:
        self.slab_bytes = self._least_bytes = least_bytes
        self._most_bytes = most_bytes
        self._quick_bytes = 0

    def took(self, size: int, seconds: float) -> None:
        """Record that the viewer took `size` bytes within so long."""
        self._quick_bytes = 0 if seconds > QUICK_SECONDS else self._quick_bytes + size
        quick = self._quick_bytes > QUICK_BYTES
        self.slab_bytes = self._most_bytes if quick else self._least_bytes


class Patience(NamedTuple):
    """How long an unfinished line is held back: without growth, and at all."""

    silence_seconds: float = SILENCE_SECONDS
    unfinished_seconds: float = UNFINISHED_SECONDS


def frames(
    output: Output,
    stream_format: StreamFormat,
    offset: int,
    *,
    pace: Pace | None = None,
    patience: Patience = Patience(),  # noqa: B008  it is immutable
    grown: Grown | None = None,
    max_behind: int | None = None,
) -> AsyncGenerator[Frame, None]:
    r"""Iterate over the frames of the output from `offset` on, up to its end, as it grows.

    - `TEXT`: whole lines, one or more, without the last ``\n``. An unfinished line goes out when
      `patience` ends, at the end, or as soon as it fills a slab; the ``\n`` that ends it later
      makes no message of its own.
    - `JSON`: see `json_output`; cut between characters, and between lines when the slab was full.
    - `RAW`: the exact bytes.

    While a frame is sent, which may take long, nothing here refers to its bytes any more.

    `pace` bounds the output in one frame, at each time anew; it takes at least one character
    (4 bytes). No payload is larger than MESSAGE_BYTES. `grown` stands in for the output's.

    In JSON, which tells offsets, a viewer that is more than `max_behind` behind goes on where it
    is not: what lies between is left out. In the other formats, and without it, nothing is.
    """
    pace = Pace() if pace is None else pace
    grown = output.grown if grown is None else grown
    if stream_format is StreamFormat.TEXT:
        return _text(output, offset, pace, patience, grown)
    if stream_format is StreamFormat.JSON:
        return _json(output, offset, pace, grown, max_behind)
    return _raw(output, offset, pace, grown)


async def _raw(
    output: Output, offset: int, pace: Pace, grown: Grown
) -> AsyncGenerator[Frame, None]:
    shared = _shared(output)
    while True:
        await grown(offset)
        frame = shared.get(StreamFormat.RAW, offset)
        if frame is None:
            data, _ = await _slab(output, offset, pace.slab_bytes)
            if not data:
                return
            frame = Encoded(data, offset + len(data))
            shared.put(StreamFormat.RAW, offset, frame)
            del data
        offset = frame.next
        ready = [Frame(frame.payload, text=False, next=offset)]
        del frame
        yield ready.pop()


async def _json(
    output: Output, offset: int, pace: Pace, grown: Grown, max_behind: int | None
) -> AsyncGenerator[Frame, None]:
    shared = _shared(output)
    await grown(offset)  # `lines_before` needs the bytes before the offset to be there
    line = await output.lines_before(offset) + 1
    seen = offset
    while True:
        await grown(seen)
        if max_behind is not None and output.size - offset > max_behind:
            offset = seen = await caught_up(output, max_behind)
            line = await output.lines_before(offset) + 1
        frame = shared.get(StreamFormat.JSON, offset)
        if frame is None:
            slab_bytes = pace.slab_bytes
            data, final = await _slab(output, offset, slab_bytes)
            if not data:
                return
            cut = cut_json(data, final=final, full=len(data) == slab_bytes)
            if cut == 0:  # a part of one character: wait for the rest of it
                seen = offset + len(data)
                continue
            frame = _encode_json(offset, line, await output.time_at(offset), data[:cut])
            shared.put(StreamFormat.JSON, offset, frame)
            del data
        offset = seen = frame.next
        line += frame.newlines
        ready = [Frame(frame.payload, text=True, next=offset)]
        del frame
        yield ready.pop()


def _encode_json(offset: int, line: int, seen_at: float, data: bytes) -> Encoded:
    """Encode output; if it gets too large as JSON (six bytes for a NUL), its first part alone."""
    payload = json_output(offset, line, seen_at, data)
    if len(payload) > MESSAGE_BYTES:
        data = data[:JSON_SAFE_BYTES]
        data = data[: cut_lines(data) or cut_characters(data)]
        payload = json_output(offset, line, seen_at, data)
    return Encoded(payload, offset + len(data), newlines(data))


async def _text(
    output: Output, offset: int, pace: Pace, patience: Patience, grown: Grown
) -> AsyncGenerator[Frame, None]:
    shared = _shared(output)
    # Up to `seen` the output was read and found unfinished. `torn`: the last frame ended within a
    # line. `due`: the patience with the unfinished line has ended.
    seen, torn, due = offset, False, False
    unfinished = _Unfinished(patience)
    while True:
        # If it was due, it lacked a whole character: wait for the rest, however long that takes.
        quiet = await unfinished.outlasts(grown(seen), held_back=seen > offset and not due)
        # The newline of a torn line makes no message, and a shared frame may begin with it.
        frame = None if torn else shared.get(StreamFormat.TEXT, offset)
        if frame is None:
            slab_bytes = pace.slab_bytes
            data, final = await _slab(output, offset, slab_bytes)
            if not data:
                return
            if torn and data.startswith(b"\n"):  # it ends a line that was sent: no message
                offset, seen, torn = offset + 1, offset + 1, False
                continue
            due = quiet or unfinished.overdue(offset)
            cut = cut_text(data, final=final, due=due or len(data) == slab_bytes)
            if cut == 0:
                seen = offset + len(data)
                continue
            torn = not data.endswith(b"\n", 0, cut)
            frame = Encoded(to_text(data[: cut if torn else cut - 1]), offset + cut)
            if not torn:
                shared.put(StreamFormat.TEXT, offset, frame)
            del data
        offset, seen, due = frame.next, frame.next, False
        ready = [Frame(frame.payload, text=True, next=offset)]
        del frame
        yield ready.pop()


class _Unfinished:
    """The unfinished line at the output's end, and since when it has been held back."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._offset = -1
        self._since = 0.0

    def overdue(self, offset: int) -> bool:
        """Return whether the unsent output from `offset` on was held back for long enough."""
        now = asyncio.get_running_loop().time()
        if offset != self._offset:
            self._offset, self._since = offset, now
        return now - self._since >= self._patience.unfinished_seconds

    async def outlasts(self, growth: Awaitable[None], *, held_back: bool) -> bool:
        """Wait for growth; if output is `held_back`, True as soon as the patience with it ends."""
        held_seconds = asyncio.get_running_loop().time() - self._since
        left_seconds = max(0.0, self._patience.unfinished_seconds - held_seconds)
        seconds = min(self._patience.silence_seconds, left_seconds)
        try:
            async with asyncio.timeout(seconds if held_back else None):
                await growth
        except TimeoutError:
            return True
        return False


def _shared(output: Output) -> SharedFrames:
    # The viewers of a finished run are each at a place of their own: nothing is kept for them.
    return output.frames if isinstance(output, SharesFrames) else SharedFrames(limit_frames=0)


async def _slab(output: Output, offset: int, slab_bytes: int) -> tuple[bytes, bool]:
    """Read up to `slab_bytes`, as much as is there; also return whether nothing will follow."""
    ended, size = output.ended, output.size  # in this order: then the size is final
    end = min(size, offset + slab_bytes)
    if end - offset == slab_bytes:
        await asyncio.sleep(0)  # there is no growth to wait for: yield to the loop's other tasks
    parts = []
    while offset < end:
        if not (data := await output.read(offset, end - offset)):
            break  # another process has cut the output
        parts.append(data)
        offset += len(data)
    return b"".join(parts), ended and offset >= size
