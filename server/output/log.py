"""The output of a run that is live here: its spool file, read at offsets."""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from server.keeper.files import TRANSIENT_ERRORS, open_regular
from server.keeper.spool import OUTPUT, read_exit
from server.output.growth import CountedGrowth
from server.output.index import LineIndex, OutputDamagedError, read_exactly
from server.output.marks import FreshMarks, Mark
from server.output.shared import SharedFrames
from server.output.source import Give
from server.output.times import TimeMarks

PIECE_BYTES = 1024 * 1024
"""Of what is read from end to end, at a time."""

T = TypeVar("T")


class LogClosedError(RuntimeError):
    """The log was used after its last user had released it."""


class RunLog:
    """A live run's output; an `Output`.

    It is made with one user, its maker. Each further user calls `acquire` (also as
    `with log.acquire():`) and every user calls `release` once; the last one closes the file.
    Until then readers go on, even when the spool has been removed.

    Its size is as of the last `refresh_size` or `refresh`, which the Watch calls; whenever the
    output has grown or ended, the `listeners` are called. `marks` are the times at offsets that are
    known already, ascending.

    Raises:
        OSError: the spool has no output, or it cannot be opened.
    """

    def __init__(
        self,
        directory: Path,
        *,
        marks: Iterable[tuple[int, float]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self.frames = SharedFrames()
        self.growth = CountedGrowth()
        self._clock = clock
        self._file: int | None = open_regular(directory / OUTPUT)
        self._users = 1
        self._ended = False
        self._damaged = False
        self._removed = False
        self._waiters: dict[asyncio.Future[None], int] = {}
        self.listeners: set[Callable[[], None]] = set()
        self._has_nowait = True
        self._index = LineIndex(self.in_thread)
        # Without marks, what is there already was seen when it was last written.
        status = os.fstat(self._file)
        self._size = status.st_size
        known = [(offset, seen_at) for offset, seen_at in marks if offset <= self._size]
        known = known or [(0, status.st_mtime)]
        self._times = TimeMarks(known)
        self._fresh = FreshMarks()
        self._fresh.add(*known[-1])
        self.refresh()

    @property
    def size(self) -> int:
        """The number of bytes so far, as of the last refresh."""
        return self._size

    @property
    def ended(self) -> bool:
        """Whether no byte will follow."""
        return self._ended

    @property
    def damaged(self) -> bool:
        """Whether bytes that were there are not there any more."""
        return self._damaged

    @property
    def removed(self) -> bool:
        """Whether the output was removed and no record says that its run has ended."""
        return self._removed and not self._ended

    @property
    def path(self) -> str:
        """A name of the output itself, whatever became of the one in its directory."""
        return f"/proc/self/fd/{self._require_open()}"

    @property
    def users(self) -> int:
        """How many have not yet released the log."""
        return self._users

    @property
    def waiters(self) -> int:
        """How many wait for growth."""
        return len(self._waiters)

    def acquire(self) -> Self:
        """Return the log, for one more user."""
        self._require_open()
        self._users += 1
        return self

    def release(self) -> None:
        """Note that one user is done; the last one closes the file.

        Raises:
            LogClosedError: all users have released the log already.
        """
        descriptor = self._require_open()
        self._users -= 1
        if self._users == 0:
            self._file = None
            os.close(descriptor)
            self._wake(self._waiters)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def refresh(self) -> None:
        """Read the output's size and whether it has ended; wake those who wait.

        One that was removed without an exit record has not ended: its keeper writes on.
        """
        if self._ended:
            return
        # In this order: where there is a record, the size that is read after it is final.
        exited = self._exited()
        status = os.fstat(self._require_open())
        self._ended = exited
        self._removed = status.st_nlink == 0
        self._set_size(status.st_size)

    def give_up(self) -> None:
        """Declare the output ended: it was removed, and no keeper has its run."""
        if not self._ended:
            self._ended = True
            self._set_size(os.fstat(self._require_open()).st_size)

    def refresh_size(self) -> None:
        """Read the output's size alone, which is cheaper; wake those who wait."""
        if not self._ended:
            self._set_size(os.lseek(self._require_open(), 0, os.SEEK_END))

    def mark(self, offset: int, seen_at: float) -> None:
        """Note that the bytes from `offset` on were first seen at `seen_at` (Unix seconds)."""
        self._times.add(offset, seen_at)
        self._fresh.add(offset, seen_at)

    def fresh_marks(self, start: int, end: int) -> list[Mark]:
        """Return the marks of [start, end), the first valid at `start`, as finely as promised."""
        return self._fresh.between(start, end)

    def forget_marks(self, offset: int) -> None:
        """Keep the marks before `offset` less finely: they are archived."""
        self._fresh.forget(offset)

    async def grown(self, offset: int) -> None:
        """Return as soon as `size` is above `offset`, or the output has ended."""
        while self._size <= offset and not self._ended:
            await self.grown_or_woken(offset)

    async def grown_or_woken(self, offset: int) -> None:
        """Wait until `size` is above `offset`, the output has ended, or `wake` was called."""
        self._require_open()
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = offset
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    def wake(self) -> None:
        """Wake all who wait in `grown_or_woken`, as when their run has changed."""
        self._wake(self._waiters)

    async def read(self, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`; none at the end.

        What is in the page cache is read at once, all else in a thread.

        Raises:
            OSError: the file cannot be read.
            OutputDamagedError: somebody has cut it. Once it has ended, `size` is what is left.
        """
        # Bytes beyond the size may be there already: they have no time yet.
        length = min(limit, self._size - offset)
        if length <= 0:
            return b""
        data = self._read_cached(offset, length)
        return data or await self.in_thread(partial(read_exactly, offset, offset + length))

    @asynccontextmanager
    async def in_pieces(self, threads: Executor) -> AsyncIterator[Give]:
        """Open a way through all of it.

        Raises:
            OutputDamagedError: from what it yields: somebody has cut the file.
        """
        yield partial(self._give, threads)

    async def _give(self, threads: Executor, offset: int, take: Callable[[bytes], bool]) -> None:
        await self.in_thread(partial(_take_pieces, offset, self._size, take), threads)

    async def in_thread(self, work: Callable[[int], T], executor: Executor | None = None) -> T:
        """Return what `work` makes of the descriptor in a thread."""
        future = asyncio.get_running_loop().run_in_executor(executor, work, self._require_open())
        # A cancelled caller leaves the thread behind, which must not find another file there.
        self.acquire()
        future.add_done_callback(self._thread_done)
        return await asyncio.shield(future)

    async def lines_before(self, offset: int) -> int:
        """Return the number of newlines in [0, offset)."""
        return await self._index.lines_before(min(offset, self._size))

    async def line_count(self, size: int) -> int:
        """Return the number of lines in the first `size` bytes; an unfinished last one counts."""
        unfinished = size > 0 and await self.read(size - 1, 1) != b"\n"
        return await self.lines_before(size) + unfinished

    async def line_offset(self, line: int) -> int:
        """Return where a line starts; the size when there is no such line."""
        return await self._index.line_offset(line, self._size)

    async def tail_offset(self, lines: int) -> int:
        """Return where the last `lines` lines start; an unfinished last line counts as one."""
        return await self._index.tail_offset(lines, self._size)

    async def marks(self, start: int, end: int, limit: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and up to `limit` in all before `end`."""
        [first, *_] = fresh = self._fresh.between(start, end)
        if first.offset <= start:
            return fresh[:limit]
        before = self._times.between(start, min(end, first.offset))
        return [*before, *(mark for mark in fresh if mark.offset < end)][:limit]

    async def time_at(self, offset: int) -> float:
        """Return when the byte at `offset` was first seen, in Unix seconds."""
        return self._times.at(offset)

    def _set_size(self, size: int) -> None:
        before = self._size
        if size > before:
            self.mark(before, self._clock())
            self._size = size
        elif size < before and self._ended:
            self._damaged = True
            self._size = size
        # One that was cut while its run goes on may grow again: its keeper puts it right.
        assert self._size >= before or self._ended, "an output that goes on does not shrink"
        if self._ended:
            self._wake(self._waiters)
        else:
            self._wake(waiter for waiter, offset in self._waiters.items() if self._size > offset)
        if self._ended or self._size > before:
            for listener in self.listeners:
                listener()

    def _exited(self) -> bool:
        """Whether the run's end is recorded; a file that is no record of ours is ignored."""
        try:
            return read_exit(self.directory) is not None
        except OSError as error:
            if error.errno not in TRANSIENT_ERRORS:
                raise
            return True  # it is there, only unreadable now; its readers try again

    def _require_open(self) -> int:
        if self._file is None:
            raise LogClosedError(f"the log of {self.directory.name} is closed")
        return self._file

    def _wake(self, waiters: Iterable["asyncio.Future[None]"]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _read_cached(self, offset: int, length: int) -> bytes:
        """Return what the page cache holds at `offset`, without waiting; b"" if that is nothing."""
        if not self._has_nowait:
            return b""
        buffer = bytearray(length)
        try:
            count = os.preadv(self._require_open(), [buffer], offset, os.RWF_NOWAIT)
        except BlockingIOError:  # EAGAIN: it would wait for the disk (preadv2(2))
            return b""
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:  # the file system does not have RWF_NOWAIT
                raise
            self._has_nowait = False
            return b""
        return bytes(buffer) if count == length else bytes(buffer[:count])

    def _thread_done(self, future: "asyncio.Future[T]") -> None:
        """Release the log that a thread has used."""
        # `exception` is called in any case: where the caller is gone, asyncio would log the error
        # as one that nobody retrieved.
        cut = not future.cancelled() and isinstance(future.exception(), OutputDamagedError)
        if cut and self._ended:  # it cannot grow again: what is left of it is all there is
            self._set_size(os.fstat(self._require_open()).st_size)
        self.release()


def _take_pieces(start: int, end: int, take: Callable[[bytes], bool], descriptor: int) -> None:
    going_on = True
    while going_on and start < end:
        stop = min(end, start + PIECE_BYTES)
        going_on = take(read_exactly(start, stop, descriptor))
        start = stop
