"""A finished run's output, read back from the chunks in the database."""

import asyncio
from collections.abc import AsyncIterator

import zstandard

from server.errors import RunNotFoundError
from server.models import Chunk, Run
from server.output import lines
from server.repositories.output import OutputRepository

FETCH_CHUNKS = 4
"""Chunks fetched with one query while reading on: 4 MiB of output at most. The first query
fetches one alone, for the first byte to come soon."""


class ArchivedOutput:
    """The output of a finished run; an `Output` that has ended.

    It holds one chunk decompressed and at most FETCH_CHUNKS + 2 compressed, whatever the size of
    the output. Each viewer has its own.
    """

    def __init__(self, run: Run, outputs: OutputRepository) -> None:
        self._run = run
        self._outputs = outputs
        self._begun = False
        self._fetched: list[Chunk] = []
        self._chunk: Chunk | None = None
        self._previous: Chunk | None = None
        self._data = b""

    @property
    def size(self) -> int:
        """The output's length in bytes."""
        return self._run.output_bytes

    @property
    def ended(self) -> bool:
        """A finished run writes no more."""
        return True

    async def grown(self, offset: int) -> None:
        """Return at once: the output has ended."""

    async def read(self, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`; none at the end."""
        if offset >= self.size:
            return b""
        chunk = await self._chunk_at(offset)
        start = offset - chunk.byte_offset
        return self._data[start : start + limit]

    async def lines_before(self, offset: int) -> int:
        """Return the number of newlines in [0, offset)."""
        if offset >= self.size:
            return self._run.output_lines
        chunk = await self._chunk_at(offset)
        return chunk.first_line - 1 + self._data.count(b"\n", 0, offset - chunk.byte_offset)

    async def line_offset(self, line: int) -> int:
        """Return where line `line` (from 1) starts; the size when there is no such line."""
        if line <= 1:
            return 0
        if line > self._run.output_lines + 1:
            return self.size
        chunk = await self._outputs.chunk_of_newline(self._run.id, line - 1)
        if chunk is None:
            return self.size
        await self._hold(chunk)
        return chunk.byte_offset + lines.after_newline(self._data, line - chunk.first_line)

    async def tail_offset(self, count: int) -> int:
        """Return where the last `count` lines start; an unfinished last line counts as one."""
        if count <= 0 or self.size == 0:
            return self.size
        last = await self.read(self.size - 1, 1)
        total = self._run.output_lines + (last != b"\n")
        return await self.line_offset(max(1, total - count + 1))

    async def time_at(self, offset: int) -> float:
        """Return when the byte was archived, in Unix seconds."""
        if self.size == 0:
            return self._run.start_time.timestamp()
        offset = min(offset, self.size - 1)
        previous = self._previous
        if previous is not None and _contains(previous, offset):
            return previous.written_at.timestamp()
        return (await self._chunk_at(offset)).written_at.timestamp()

    async def stored_from(self, offset: int) -> list[Chunk]:
        """Return chunks as stored (zstd frames); the first one contains `offset`.

        Raises:
            RunNotFoundError: the run was deleted meanwhile.
        """
        limit = FETCH_CHUNKS if self._begun else 1
        self._begun = True
        chunks = await self._outputs.chunks(self._run.id, offset, limit)
        if not chunks:
            raise RunNotFoundError("The run was deleted while its output was read.")
        return chunks

    async def _chunk_at(self, offset: int) -> Chunk:
        if self._chunk is not None and _contains(self._chunk, offset):
            return self._chunk
        found = next((chunk for chunk in self._fetched if _contains(chunk, offset)), None)
        if found is None:
            self._fetched = await self.stored_from(offset)
            found = self._fetched[0]
        self._fetched = [chunk for chunk in self._fetched if chunk is not found]
        return await self._hold(found)

    async def _hold(self, chunk: Chunk) -> Chunk:
        self._data = await asyncio.to_thread(_decompress, chunk)
        self._previous, self._chunk = self._chunk, chunk
        return chunk


def _contains(chunk: Chunk, offset: int) -> bool:
    return chunk.byte_offset <= offset < chunk.byte_offset + chunk.byte_count


def _decompress(chunk: Chunk) -> bytes:
    return zstandard.ZstdDecompressor().decompress(chunk.data, max_output_size=chunk.byte_count)


async def stored(output: ArchivedOutput, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield [start, end) as zstd frames: whole chunks as they are stored, cut ones anew."""
    offset = start
    while offset < end:
        for chunk in await output.stored_from(offset):
            if offset >= end:
                return
            chunk_end = chunk.byte_offset + chunk.byte_count
            if offset == chunk.byte_offset and chunk_end <= end:
                yield chunk.data
            else:
                data = await asyncio.to_thread(_decompress, chunk)
                cut = data[offset - chunk.byte_offset : end - chunk.byte_offset]
                yield await asyncio.to_thread(zstandard.compress, cut, 1)
            offset = chunk_end
