"""Where lines are in a growing file: a checkpoint per MiB, made when it is first needed."""

import asyncio
import errno
import os
from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import accumulate
from typing import Protocol, TypeVar

from server.output import lines

BLOCK_BYTES = 1024 * 1024
"""Bytes between two checkpoints: 8 bytes of index for each."""

SCAN_BLOCKS = 64
"""Blocks scanned by one call in a thread; a scan can be cancelled between two calls."""

T = TypeVar("T")


class Blocking(Protocol):
    """Runs work on an open descriptor in a thread, in which the descriptor stays open."""

    def __call__(self, work: Callable[[int], T]) -> Awaitable[T]:
        """Return what `work` returns."""
        ...


class LineIndex:
    r"""The line index of one file; `blocking` gives access to its descriptor.

    Checkpoint k is the number of ``\n`` in the first k blocks. Only whole blocks have one, so
    that it stays true while the file grows.
    """

    def __init__(self, blocking: Blocking) -> None:
        self._blocking = blocking
        self._checkpoints = array("Q", [0])
        self._building = asyncio.Lock()

    async def lines_before(self, offset: int) -> int:
        """Return the number of newlines in [0, offset), all of which must be there."""
        block = offset // BLOCK_BYTES
        await self._build(lambda: len(self._checkpoints) > block, block)
        data = await self._read(block * BLOCK_BYTES, offset)
        return self._checkpoints[block] + lines.newlines(data)

    async def line_offset(self, line: int, size: int) -> int:
        """Return where a line starts in a file of `size` bytes; `size` when it is beyond."""
        newline = line - 1
        if newline <= 0:
            return 0
        await self._build(lambda: self._checkpoints[-1] >= newline, size // BLOCK_BYTES)
        block = bisect_left(self._checkpoints, newline) - 1
        start = block * BLOCK_BYTES
        data = await self._read(start, min(size, start + BLOCK_BYTES))
        return start + lines.after_newline(data, newline - self._checkpoints[block])

    async def tail_offset(self, count: int, size: int) -> int:
        """Return where the last `count` lines of the first `size` bytes start.

        The file is read backwards from its end, as far as needed; the index is not used.
        """
        if count <= 0 or size == 0:
            return size
        last = await self._read(size - 1, size)
        offset = size - last.count(b"\n")  # the newline that ends the last line starts none
        while offset > 0 and count > 0:
            offset, count = await self._blocking(partial(_scan_back, offset, count))
        return offset

    async def _read(self, start: int, end: int) -> bytes:
        if start == end:  # not worth a call in a thread
            return b""
        return await self._blocking(partial(read_exactly, start, end))

    async def _build(self, enough: Callable[[], bool], blocks: int) -> None:
        """Add checkpoints, of the first `blocks` blocks at most, until there are enough.

        One scan serves all who wait for it.
        """
        while not enough() and len(self._checkpoints) <= blocks:
            async with self._building:
                first = len(self._checkpoints) - 1
                last = min(blocks, first + SCAN_BLOCKS)
                if not enough() and first < last:  # else the scan of another caller was enough
                    counts = await self._blocking(partial(_count_blocks, first, last))
                    total = self._checkpoints.pop()  # `accumulate` begins with it
                    self._checkpoints.extend(accumulate(counts, initial=total))


class OutputDamagedError(OSError):
    """Another process has cut the output of a run: bytes that were in it are gone."""


def read_exactly(start: int, end: int, descriptor: int) -> bytes:
    """Return the bytes in [start, end).

    Raises:
        OutputDamagedError: the file is shorter: a process other than the keeper has cut it.
    """
    data = os.pread(descriptor, end - start, start)
    if len(data) < end - start:
        raise OutputDamagedError(errno.EIO, "The output has become shorter than it was")
    return data


def _count_blocks(first: int, last: int, descriptor: int) -> list[int]:
    """Count the newlines of each block in [first, last), with one block in memory."""
    starts = range(first * BLOCK_BYTES, last * BLOCK_BYTES, BLOCK_BYTES)
    return [
        lines.newlines(read_exactly(start, start + BLOCK_BYTES, descriptor)) for start in starts
    ]


def _scan_back(end: int, count: int, descriptor: int) -> tuple[int, int]:
    """Search SCAN_BLOCKS blocks backwards from `end` for the start of the last `count` lines.

    Return where the search stopped, and how many lines are still to be found: 0, if they start
    there.
    """
    for _ in range(SCAN_BLOCKS):
        start = max(0, end - BLOCK_BYTES)
        data = read_exactly(start, end, descriptor)
        newlines = lines.newlines(data)
        if newlines >= count:
            return start + lines.last_lines(data, count), 0
        end, count = start, count - newlines
        if start == 0:
            break
    return end, count
