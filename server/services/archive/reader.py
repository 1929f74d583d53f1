"""A finished run's output, read back from the chunks in the database."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress

from server.errors import ArchiveDamagedError
from server.models import Chunk, Run
from server.output import lines
from server.output.marks import Mark
from server.output.source import Give
from server.services.archive.chunks import FETCH_CHUNKS, Chunks, marks_of
from server.services.archive.passage import Passage

NEWLINE = ord("\n")


class ArchivedOutput:
    """The output of a finished run; an `Output` that has ended.

    It holds where a few chunks are, and none of their bytes: a viewer may wait for long.

    Each chunk is checked: that it follows the one before, and that its frame has the length, the
    lines and the checksum it was stored with. A reader gets all up to the first byte that is not
    so.

    Raises:
        ArchiveDamagedError: from every method, where the archive is not what was stored.
    """

    def __init__(self, run: Run, chunks: Chunks) -> None:
        self._run = run
        self._chunks = chunks
        self._begun = False
        self._known: list[Chunk] = []

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
        stop = start + min(limit, self.size - offset)
        return (await self._chunks.plain(self._run.id, chunk))[start:stop]

    @asynccontextmanager
    async def in_pieces(self, threads: Executor) -> AsyncIterator[Give]:
        """Open a way through all of it; what is read ahead ends when it is left."""
        passage = Passage(self._run, self._chunks, threads)
        try:
            yield passage.give
        finally:
            await passage.close()

    async def lines_before(self, offset: int) -> int:
        """Return the number of newlines in [0, offset)."""
        if offset >= self.size:
            return self._run.output_lines
        chunk = await self._chunk_at(offset)
        data = await self._chunks.plain(self._run.id, chunk)
        return chunk.first_line - 1 + data.count(b"\n", 0, offset - chunk.byte_offset)

    async def line_count(self, size: int) -> int:
        """Return the number of lines, of which all but the last have ended.

        Where the last byte cannot be read, only those that have ended are counted.
        """
        assert size == self.size, "what has ended does not grow"
        if size == 0:
            return 0
        with suppress(ArchiveDamagedError):
            # Past `_chunk_at`, which remembers what is read one after the other.
            [chunk] = await self._chunks.find(self._run.id, size - 1, 1)
            last = (await self._chunks.plain(self._run.id, chunk))[size - 1 - chunk.byte_offset]
            return self._run.output_lines + (last != NEWLINE)
        return self._run.output_lines

    async def line_offset(self, line: int) -> int:
        """Return where line `line` (from 1) starts; the size when there is no such line."""
        if line <= 1:
            return 0
        if line > self._run.output_lines + 1:
            return self.size
        chunk = await self._chunks.find_newline(self._run.id, line - 1)
        if chunk is None:
            return self.size
        data = await self._chunks.plain(self._run.id, chunk)
        found = chunk.byte_offset + lines.after_newline(data, line - chunk.first_line)
        return min(found, self.size)

    async def tail_offset(self, count: int) -> int:
        """Return where the last `count` lines start; an unfinished last line counts as one."""
        if count <= 0 or self.size == 0:
            return self.size
        last = await self.read(self.size - 1, 1)
        total = self._run.output_lines + (last != b"\n")
        return await self.line_offset(max(1, total - count + 1))

    async def time_at(self, offset: int) -> float:
        """Return when the byte at `offset` was first seen, in Unix seconds."""
        if self.size == 0:
            return self._run.start_time.timestamp()
        place = min(offset, self.size - 1)
        known = next((chunk for chunk in self._known if chunk.contains(place)), None)
        if known is None:
            return (await self.marks(place, place + 1, 1))[0].time
        return [mark for mark in marks_of(known) if mark.offset <= place][-1].time

    async def marks(self, start: int, end: int, limit: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and up to `limit` in all before `end`."""
        if self.size == 0:
            return [Mark(0, self._run.start_time.timestamp(), 1)]
        return await self._chunks.marks(self._run.id, min(start, self.size - 1), end, limit)

    async def compressed(
        self, start: int, end: int, piece_bytes: Callable[[], int]
    ) -> AsyncGenerator[bytes, None]:
        """Iterate over [start, end) as zstd frames: whole chunks as they are stored, cut ones anew.

        They come in pieces of up to `piece_bytes()`. Nothing is held while a piece is sent.
        """
        while start < end:
            chunk = await self._chunk_at(start)
            stop = min(end, chunk.end)
            position, size = 0, 1
            while position < size:
                if (start, stop) == (chunk.byte_offset, chunk.end):
                    frame = await self._chunks.stored(self._run.id, chunk)
                else:
                    frame = await self._chunks.part(self._run.id, chunk, start, stop)
                # Nothing refers to the frame while its piece is sent, which may take long.
                ready, size = [frame[position : position + piece_bytes()]], len(frame)
                position += len(ready[0])
                del frame
                yield ready.pop()
            start = stop

    async def _chunk_at(self, offset: int) -> Chunk:
        """Find a chunk; of those known the one before stays, for times asked for later."""
        found = next((chunk for chunk in self._known if chunk.contains(offset)), None)
        if found is None:
            limit = FETCH_CHUNKS if self._begun else 1
            self._begun = True
            fetched = await self._chunks.find(self._run.id, offset, limit)
            self._known = [*self._known[-1:], *fetched]
            found = fetched[0]
        if found.byte_offset != offset and any(chunk.end == offset for chunk in self._known):
            raise ArchiveDamagedError(offset)  # it overlaps the one before
        return found
