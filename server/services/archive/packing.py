"""What is new of a run's output, made ready for the archive: chunks, and the start as text."""

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

from server.keeper.failpoints import failpoint
from server.models import Chunk
from server.output import frames
from server.output.index import OutputDamagedError, read_exactly
from server.output.lines import newlines
from server.output.log import RunLog
from server.output.marks import packed
from server.services.archive import codec

CHUNK_BYTES = 1024 * 1024
"""Output in one chunk, at most: one zstd frame, one row."""

THREADS = len(os.sched_getaffinity(0))
NICENESS = 10
"""Of the threads that compress: viewers, and the server itself, come first
(measured with 15: viewers of json got 8 and 54 % more a second, the archive no less)."""

THREAD_BYTES = 64 * 1024
"""Output from which reading and compressing are left to a thread."""


class Packing:
    """Reads logs and compresses what is new in them, in threads of a low priority.

    Of each output the first `preview_bytes` are kept as text, too. A chunk has up to `chunk_bytes`
    of output.
    """

    def __init__(self, preview_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._preview_bytes = preview_bytes
        self._chunk_bytes = chunk_bytes
        self._threads = ThreadPoolExecutor(THREADS, "archive", partial(os.nice, NICENESS))

    async def chunks(self, log: RunLog, start: int, end: int, lines: int) -> tuple[Chunk, ...]:
        """Make the chunks of [start, end), which follows `lines` newlines; all at the same time.

        Raises:
            OSError: the log cannot be read, or not as far.
        """
        parts = list(pairwise([*range(start, end, self._chunk_bytes), end]))
        compressed = await asyncio.gather(*(self._pack(log, *part) for part in parts))
        chunks = []
        for (offset, part_end), (line_count, data) in zip(parts, compressed, strict=True):
            written_at = await log.time_at(part_end - 1)
            chunk = Chunk(
                byte_offset=offset,
                byte_count=part_end - offset,
                first_line=lines + 1,
                line_count=line_count,
                written_at=datetime.fromtimestamp(written_at, UTC),
                data=data,
                marks=packed(log.fresh_marks(offset, part_end), offset, written_at),
            )
            chunks.append(chunk)
            lines += line_count
        return tuple(chunks)

    async def _pack(self, log: RunLog, start: int, end: int) -> tuple[int, bytes]:
        """Return the number of newlines in [start, end), and those bytes compressed."""
        failpoint("archive.packed")
        if end - start >= THREAD_BYTES:

            def read_and_pack(descriptor: int) -> tuple[int, bytes]:
                return _pack(read_exactly(start, end, descriptor))

            return await log.in_thread(read_and_pack, self._threads)
        data = b""
        while len(data) < end - start:
            piece = await log.read(start + len(data), end - start - len(data))
            if not piece:  # somebody other than the keeper has cut it
                raise OutputDamagedError(errno.EIO, "The output has become shorter than it was")
            data += piece
        return _pack(data)

    async def preview(self, log: RunLog, start: int, end: int, *, ended: bool) -> str:
        """Return the text that [start, end) adds to the first `preview_bytes` of the output."""
        limit = min(end, self._preview_bytes)
        if start > limit or (start == limit and not ended):
            return ""
        # A character that `start` splits was left out before, and is part of this text.
        back = max(0, start - frames.INCOMPLETE_BYTES)
        data = await log.read(back, limit - back)
        first = frames.cut_characters(data[: start - back])
        # One that `end` splits is left to the next; nothing comes after the log's end.
        last = len(data) if ended and end <= limit else frames.cut_characters(data)
        return data[first:last].decode("utf-8", "replace")


def _pack(data: bytes) -> tuple[int, bytes]:
    return newlines(data), codec.compress(data)
