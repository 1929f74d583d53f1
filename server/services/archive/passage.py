"""The way through a finished run's output, for who looks at all of it in a thread."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial

from server.errors import ArchiveDamagedError
from server.models import Chunk, Run
from server.services.archive import codec
from server.services.archive.chunks import FETCH_CHUNKS, Chunks
from server.services.tasks import cancel_and_wait


class Passage:
    """Reads a batch of chunks ahead while those before are looked at, and no further.

    Beside the chunk that is looked at, the next one is decompressed where a thread is free for it.
    Its owner closes it.
    """

    def __init__(self, run: Run, chunks: Chunks, threads: Executor) -> None:
        self._run = run
        self._chunks = chunks
        self._threads = threads
        self._begun = self._follows = False
        self._batch: deque[Chunk] = deque()
        self._ahead: asyncio.Task[list[Chunk]] | None = None

    async def give(self, offset: int, take: Callable[[bytes], bool]) -> None:
        """Give `take` in a thread the bytes from `offset` on, in order, while it returns true.

        A further call goes on where the one before has ended.

        Raises:
            RunNotFoundError: the run was deleted meanwhile.
            ArchiveDamagedError: the archive is not what was stored.
        """
        going_on = True
        while going_on and offset < self._run.output_bytes:
            if not self._batch:
                await self._fetch(offset)
            work = partial(self._give_batch, offset, take)
            loop = asyncio.get_running_loop()
            offset, going_on = await loop.run_in_executor(self._threads, work)

    async def close(self) -> None:
        """End what is read ahead."""
        if self._ahead is not None:
            await cancel_and_wait(self._ahead)

    async def _fetch(self, offset: int) -> None:
        """Take the next batch, and have the one behind it read."""
        ahead, self._ahead = self._ahead, None
        chunks = await (ahead or self._read(offset, FETCH_CHUNKS if self._begun else 1))
        if self._begun and chunks[-1].end < self._run.output_bytes:
            reading = self._read(chunks[-1].end, FETCH_CHUNKS)
            self._ahead = asyncio.create_task(reading, name=f"read ahead of {self._run.id}")
        self._begun = True
        self._batch.extend(chunks)

    async def _read(self, offset: int, limit: int) -> list[Chunk]:
        return await self._chunks.passing(self._run.id, offset, limit)

    def _give_batch(self, offset: int, take: Callable[[bytes], bool]) -> tuple[int, bool]:
        """Give what is fetched; return where that ends, and whether more may be given."""
        going_on, plain = True, b""
        while going_on and self._batch:
            chunk = self._batch.popleft()
            if not chunk.contains(offset) or (self._follows and chunk.byte_offset != offset):
                raise ArchiveDamagedError(offset)
            self._follows = True
            plain = plain or codec.decompress(chunk.data, chunk)
            following = self._unpack_next()
            start, end = offset - chunk.byte_offset, self._run.output_bytes - chunk.byte_offset
            going_on, offset = take(plain[start:end]), chunk.end
            # What no thread has begun yet is not waited for: all may be busy.
            is_wanted = following is not None and not following.cancel() and going_on
            plain = following.result() if following is not None and is_wanted else b""
        return offset, going_on

    def _unpack_next(self) -> "Future[bytes] | None":
        if not self._batch:
            return None
        chunk = self._batch[0]
        return self._chunks.unpacking.submit(codec.decompress, chunk.data, chunk)
