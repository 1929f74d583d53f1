"""The chunks of finished runs on their way to viewers: kept for all of them, within one bound."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from uuid import UUID

from server.errors import ArchiveDamagedError
from server.keeper.failpoints import failpoint
from server.models import Chunk
from server.output.marks import Mark, unpacked
from server.repositories.output import OutputRepository
from server.services.archive import codec

KEPT_BYTES = 12 * 1024 * 1024
"""What is kept of all finished runs' output, for all viewers together."""

FETCH_CHUNKS = 4
"""Chunks fetched with one query while reading on: 4 MiB of output at most. The first query
fetches one alone, for the first byte to come soon."""

MAX_READINGS = 2
"""Readings at a time. Each holds some MiB; more are no faster, and take all connections."""

MAX_PASSING = 1
"""Of these, by what reads an output from end to end: the other is for viewers."""

NICENESS = 10
"""Of the thread that decompresses for those: viewers come first."""


def marks_of(chunk: Chunk) -> list[Mark]:
    """Return when the bytes in a chunk were first seen; the first mark is at its start."""
    found = unpacked(chunk.marks, chunk.byte_offset, chunk.written_at.timestamp())
    return [
        found[0]._replace(line=chunk.first_line),
        *(mark for mark in found[1:] if chunk.contains(mark.offset)),
    ]


Key = tuple[UUID, int, str]
Make = Callable[[bytes], Awaitable[bytes]]


class Chunks:
    """Chunks as stored, and decompressed; those used last are kept.

    A viewer holds none itself, only the chunks without their data (`Chunk.data` is empty): one
    that waits to be sent something costs nothing, and many that read the same run read it once.
    """

    def __init__(self, outputs: OutputRepository, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._outputs = outputs
        self._limit_bytes = kept_bytes
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._turn = asyncio.Semaphore(MAX_READINGS)
        self._passing = asyncio.Semaphore(MAX_PASSING)
        self.unpacking = ThreadPoolExecutor(1, "unpack", partial(os.nice, NICENESS))
        """Decompresses what is looked at next by those who read from end to end."""

    @property
    def kept_bytes(self) -> int:
        """How much is kept at the moment."""
        return self._bytes

    async def find(self, run_id: UUID, offset: int, limit: int) -> list[Chunk]:
        """Return up to `limit` chunks, without data; the first one contains `offset`.

        Raises:
            RunNotFoundError: the run was deleted meanwhile.
            ArchiveDamagedError: no chunk contains `offset`.
        """
        async with self._turn:
            return await self._fetch(run_id, offset, limit)

    async def passing(self, run_id: UUID, offset: int, limit: int) -> list[Chunk]:
        """Return up to `limit` chunks with their data, of which nothing is kept.

        So what reads an output from end to end takes nothing from viewers.

        Raises:
            RunNotFoundError: the run was deleted meanwhile.
            ArchiveDamagedError: no chunk contains `offset`.
        """
        async with self._passing, self._turn:
            return await self._read(run_id, offset, limit)

    async def find_newline(self, run_id: UUID, newline: int) -> Chunk | None:
        """Return the chunk, without data, that holds a newline (from 1) of a run, if one does."""
        async with self._turn:
            chunk = await self._outputs.chunk_of_newline(run_id, newline)
        return None if chunk is None else self._strip(run_id, chunk)

    async def marks(self, run_id: UUID, start: int, end: int, limit: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and up to `limit` in all before `end`.

        Raises:
            RunNotFoundError: the run was deleted meanwhile.
            ArchiveDamagedError: there is no chunk at `start`.
        """
        chunks = await self._outputs.marks(run_id, start, end, limit)
        if not chunks or chunks[0].byte_offset > start:
            await self._outputs.check_stored(run_id)
            raise ArchiveDamagedError(start)
        found: list[Mark] = []
        for chunk in chunks:
            # Chunk by chunk: they are as many as are asked for, and each may have many.
            for mark in marks_of(chunk):
                if mark.offset <= start:
                    found = [mark]
                elif mark.offset < end:
                    found.append(mark)
            if len(found) >= limit:
                break
        return found[:limit]

    async def stored(self, run_id: UUID, chunk: Chunk) -> bytes:
        """Return a chunk as it is stored: a zstd frame, whose receiver compares its checksum.

        Raises:
            ArchiveDamagedError: it is none, or not as long as the chunk.
        """
        data = await self._get((run_id, chunk.byte_offset, "stored"))
        codec.check(data, chunk)
        return data

    async def plain(self, run_id: UUID, chunk: Chunk) -> bytes:
        """Return the output in a chunk.

        Raises:
            ArchiveDamagedError: it is not what was stored.
        """

        async def make(data: bytes) -> bytes:
            return await asyncio.to_thread(codec.decompress, data, chunk)

        return await self._get((run_id, chunk.byte_offset, "plain"), make)

    async def part(self, run_id: UUID, chunk: Chunk, start: int, end: int) -> bytes:
        """Return [start, end) of the output, which lies in a chunk, as a zstd frame of its own."""

        async def make(data: bytes) -> bytes:
            return await asyncio.to_thread(codec.cut, data, chunk, start, end)

        return await self._get((run_id, chunk.byte_offset, f"{start}-{end}"), make)

    async def _get(self, key: Key, make: Make | None = None) -> bytes:
        """Return what is kept, or what `make` makes of a chunk as it is stored."""
        if (found := self._recall(key)) is not None:
            return found
        async with self._turn:
            if (found := self._recall(key)) is not None:
                return found  # another viewer asked for the same, and had its turn before
            run_id, offset, _ = key
            stored = self._recall((run_id, offset, "stored"))
            if stored is None:  # it was dropped since `find`
                await self._fetch(run_id, offset, 1)
                stored = self._recall((run_id, offset, "stored"))
            if stored is None:  # another chunk overlaps its place
                raise ArchiveDamagedError(offset)
            if make is None:
                return stored
            made = await make(stored)
            self._remember(key, made)
            return made

    async def _fetch(self, run_id: UUID, offset: int, limit: int) -> list[Chunk]:
        chunks = await self._read(run_id, offset, limit)
        # The last first: what is kept longest is what is asked for next.
        return [self._strip(run_id, chunk) for chunk in reversed(chunks)][::-1]

    async def _read(self, run_id: UUID, offset: int, limit: int) -> list[Chunk]:
        failpoint("output.read")
        chunks = await self._outputs.chunks(run_id, offset, limit)
        if not chunks or not chunks[0].contains(offset):
            await self._outputs.check_stored(run_id)
            raise ArchiveDamagedError(offset)
        return chunks

    def _strip(self, run_id: UUID, chunk: Chunk) -> Chunk:
        self._remember((run_id, chunk.byte_offset, "stored"), chunk.data)
        return replace(chunk, data=b"")

    def _recall(self, key: Key) -> bytes | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _remember(self, key: Key, data: bytes) -> None:
        """Keep what was just made, and drop what was used longest ago."""
        self._bytes += len(data) - len(self._kept.pop(key, b""))
        self._kept[key] = data
        # The newest stays, however large it is: a viewer waits for it.
        while self._bytes > self._limit_bytes and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1])
