"""The output of a run that another host has, as it grows."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from uuid import UUID

from server.errors import (
    DatabaseUnavailableError,
    NoAnswerError,
    OtherHostFailedError,
    RunNotFollowedError,
)
from server.output.growth import CountedGrowth
from server.output.marks import Mark
from server.output.shared import SharedFrames
from server.output.source import Give
from server.services.archive.reader import ArchivedOutput
from server.services.tasks import wait_for
from server.wire.messages import Lines, Marked, Marks, Piece, Place, Read, SeenAt, Sought

BLOCK_BYTES = 992 * 1024
LEAST_BLOCK_BYTES = 32 * 1024
"""Output that is asked for at a time, at most: as much as fits as it is, with what comes beside it,
into the megabyte that NATS takes by default. To ask costs as much as to carry 80 kB. Half as much
after each question that was not answered in time, as a slow network carries what is fetched ahead,
too."""

AHEAD_BLOCKS = 3
"""Blocks that are fetched before somebody wants them, behind the one that is read."""

KEPT_BYTES = 4 * 1024 * 1024
KEPT_BLOCKS = 64
"""What is kept of one output for its viewers, who mostly read the same; more than is fetched ahead,
or a block would go before it is read."""

MAX_MARKS = 512
RETRY_SECONDS = 0.5
"""Between two questions for output that neither its host nor the archive gives now."""

AWAY = (NoAnswerError, OtherHostFailedError, RunNotFollowedError)
"""What a host answers, or does not, that is away or has the run no more."""

Ask = Callable[[object], Awaitable[Any]]
"""Asks the run's host; raises one of AWAY."""

Archived = Callable[[], Awaitable[ArchivedOutput]]
"""Returns what is archived of the output by now."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of output, and when it was first seen: the first mark is valid at its start."""

    offset: int
    data: bytes = field(repr=False)
    marks: Sequence[SeenAt | Mark]

    @property
    def end(self) -> int:
        """Where the following one starts."""
        return self.offset + len(self.data)

    def seen_at(self, offset: int) -> float:
        """Return when the byte at `offset` was first seen, in Unix seconds."""
        found = bisect_right([mark.offset for mark in self.marks], offset) - 1
        return self.marks[max(0, found)].time


class RemoteOutput:
    """A `LiveOutput` whose bytes are asked of the archive, or of the host that has the run.

    Its size is what whoever follows the run was told last (`move`). What one viewer has asked for,
    others get with it, and a little of it is kept; so many viewers cost their host as one does.
    While the host is away there is what is archived: who reads further waits.
    """

    def __init__(self, run_id: UUID, ask: Ask, archived: Archived, archived_bytes: int) -> None:
        self.frames = SharedFrames()
        self.growth = CountedGrowth()
        self.archived_bytes = archived_bytes
        self._run_id = run_id
        self._ask = ask
        self._archived = archived
        self._size = archived_bytes
        self._ended = False
        self._failure: Exception | None = None
        self._blocks: deque[Block] = deque()
        self._kept_bytes = 0
        self._fetching: dict[int, asyncio.Task[Block]] = {}
        self._block_bytes = BLOCK_BYTES
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._wanted = asyncio.Event()

    @property
    def size(self) -> int:
        """The number of bytes so far, as was told last."""
        return self._size

    @property
    def ended(self) -> bool:
        """Whether no byte will follow."""
        return self._ended

    def acquire(self) -> Self:
        """Return the output, for one more user; it is there for as long as its run is held."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be closed."""

    def move(self, size: int, *, ended: bool) -> None:
        """Note how far the output is; it does not shrink, but for its `end`."""
        self._size, self._ended = max(size, self._size), ended
        self._wake(one for one, offset in self._waiters.items() if ended or self._size > offset)

    def end(self, size: int) -> None:
        """Note that there is no more than is archived, whatever the host had: it was given up."""
        self._size = self.archived_bytes = size
        self._ended = True
        self.wake()

    def fail(self, error: Exception) -> None:
        """Have whoever waits or reads from now on get this error."""
        self._failure = error
        self.wake()

    def close(self) -> None:
        """Fetch nothing more: nobody is there to read it."""
        for task in self._fetching.values():
            task.cancel()

    def keep(self, block: Block) -> None:
        """Keep output that has come, for a while."""
        self._blocks.append(block)
        self._kept_bytes += len(block.data)
        while len(self._blocks) > KEPT_BLOCKS or self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._blocks.popleft().data)

    async def grown(self, offset: int) -> None:
        """Return as soon as `size` is above `offset`, or the output has ended."""
        while self._size <= offset and not self._ended:
            await self.grown_or_woken(offset)

    async def grown_or_woken(self, offset: int) -> None:
        """Wait until `size` is above `offset`, the output has ended, or `wake` was called."""
        self._check()
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = offset
        self._wanted.set()
        try:
            await waiter
        finally:
            del self._waiters[waiter]
        self._check()

    @property
    def wanted(self) -> bool:
        """Whether somebody has read all that there is, and waits for what follows."""
        return bool(self._waiters)

    async def until_wanted(self, seconds: float) -> None:
        """Wait until somebody waits for what follows, so long at most."""
        if not self._waiters:
            self._wanted.clear()
            await wait_for(self._wanted, seconds)

    def wake(self) -> None:
        """Wake all who wait in `grown_or_woken`, as when their run has changed."""
        self._wake(self._waiters)

    async def read(self, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`; none at the end."""
        length = min(limit, self._size - offset)
        if length <= 0:
            return b""
        block = self._kept(offset)
        if block is None:
            block = await asyncio.shield(self._fetching_at(offset))
        self._fetch_behind(block)
        start = offset - block.offset
        return block.data[start : start + length]

    @asynccontextmanager
    async def in_pieces(self, threads: Executor) -> AsyncIterator[Give]:
        """Open a way through all of it."""
        yield partial(self._give, threads)

    async def lines_before(self, offset: int) -> int:
        r"""Return the number of ``\n`` in [0, offset)."""
        return await self._sought(Sought.LINES_BEFORE, min(offset, self._size))

    async def line_count(self, size: int) -> int:
        """Return the number of lines in the first `size` bytes; an unfinished last one counts."""
        unfinished = size > 0 and await self.read(size - 1, 1) != b"\n"
        return await self.lines_before(size) + unfinished

    async def line_offset(self, line: int) -> int:
        """Return where a line starts; the size when there is no such line."""
        return await self._sought(Sought.LINE_OFFSET, line)

    async def tail_offset(self, lines: int) -> int:
        """Return where the last `lines` lines start; an unfinished last line counts as one."""
        return await self._sought(Sought.TAIL_OFFSET, lines)

    async def marks(self, start: int, end: int, limit: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and up to `limit` in all before `end`."""
        asked = Marks(run_id=self._run_id, start=start, end=end, limit=limit)
        with suppress(*AWAY):
            found: Marked = await self._ask(asked)
            return [Mark(mark.offset, mark.time) for mark in found.marks]
        return await (await self._archived()).marks(start, end, limit)

    async def time_at(self, offset: int) -> float:
        """Return when the byte at `offset` was first seen, in Unix seconds."""
        block = self._kept(offset)
        if block is not None:
            return block.seen_at(offset)
        return (await self.marks(offset, offset + 1, 1))[0].time

    async def _give(self, threads: Executor, offset: int, take: Callable[[bytes], bool]) -> None:
        loop, going_on = asyncio.get_running_loop(), True
        while going_on and (data := await self.read(offset, BLOCK_BYTES)):
            going_on = await loop.run_in_executor(threads, take, data)
            offset += len(data)

    async def _sought(self, sought: Sought, number: int) -> int:
        """Return what the host says of lines; while it is away, what the archive knows of them.

        Who asks for more than that waits: a number that is not so would be told for good. The last
        lines are those of what is archived, which is all that there is to be read.
        """
        while True:
            self._check()
            with suppress(*AWAY):
                asked = Lines(run_id=self._run_id, sought=sought, number=number)
                place: Place = await self._ask(asked)
                return place.number
            archived = await self._archived()
            knows_all = archived.size >= self._size or self._ended
            match sought:
                case Sought.TAIL_OFFSET:
                    return await archived.tail_offset(number)
                case Sought.LINE_OFFSET:
                    offset = await archived.line_offset(number)
                    if offset < archived.size or knows_all:
                        return offset
                case _ if number <= archived.size or knows_all:
                    return await archived.lines_before(number)
            await asyncio.sleep(RETRY_SECONDS)

    def _kept(self, offset: int) -> Block | None:
        newest_first = reversed(self._blocks)
        return next((one for one in newest_first if one.offset <= offset < one.end), None)

    def _fetch_behind(self, block: Block) -> None:
        """Have what follows a block come while it is sent, if it is one of many."""
        # One that is shorter was all that there was, or that a message holds: where the others
        # begin is not known then.
        offset, step = block.end, self._block_bytes
        while (
            len(block.data) >= step
            and offset < min(self._size, block.end + AHEAD_BLOCKS * step)
            and len(self._fetching) < AHEAD_BLOCKS
        ):
            if not self._kept(offset):
                self._fetching_at(offset)
            offset += step

    def _fetching_at(self, offset: int) -> "asyncio.Task[Block]":
        """Fetch output from an offset on, once for all who ask for it meanwhile."""
        task = self._fetching.get(offset)
        if task is None:
            name = f"output of {self._run_id}"
            task = self._fetching[offset] = asyncio.create_task(self._fetch(offset), name=name)
            task.add_done_callback(partial(self._fetched, offset))
        return task

    def _fetched(self, offset: int, task: "asyncio.Task[Block]") -> None:
        del self._fetching[offset]
        # Whoever waited may be gone: an error that nobody takes is no news then.
        if not task.cancelled() and task.exception() is None:
            self.keep(task.result())

    async def _fetch(self, offset: int) -> Block:
        while True:
            self._check()
            if self._ended and offset >= self._size:
                return Block(offset, b"", ())
            block = None
            if offset >= self.archived_bytes:
                block = await self._of_host(offset)
            block = block or await self._of_archive(offset) or await self._of_host(offset)
            if block is not None:
                return block
            await asyncio.sleep(RETRY_SECONDS)

    async def _of_host(self, offset: int) -> Block | None:
        """Return what the host has at an offset; None: it does not say now."""
        asked = Read(run_id=self._run_id, offset=offset, limit=self._block_bytes)
        try:
            piece: Piece = await self._ask(asked)
        except AWAY as error:
            if isinstance(error, NoAnswerError):
                # Of those that were under way together each would halve it.
                self._block_bytes = max(LEAST_BLOCK_BYTES, min(self._block_bytes, asked.limit // 2))
            return None
        if not self._ended:
            self.move(piece.seen.size, ended=False)
        return Block(offset, piece.data, piece.marks) if piece.data else None

    async def _of_archive(self, offset: int) -> Block | None:
        """Return what is archived at an offset; None: nothing is yet, or it cannot be asked now."""
        with suppress(DatabaseUnavailableError):
            archived = await self._archived()
            self.archived_bytes = archived.size
            if data := await archived.read(offset, BLOCK_BYTES):
                marks = await archived.marks(offset, offset + len(data), MAX_MARKS)
                return Block(offset, data, marks)
        return None

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    @staticmethod
    def _wake(waiters: Iterable["asyncio.Future[None]"]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
