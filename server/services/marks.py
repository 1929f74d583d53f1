"""When lines were written: marks of an output, with their lines, which are counted here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from server.output.lines import LineRange, newlines
from server.output.marks import Mark
from server.output.source import Output

MAX_MARKS = 1000
"""Marks in one answer, at most."""

COUNTED_BYTES = 16 * 1024 * 1024
"""Output that is read for one answer, about: what is beyond is asked for with `next`."""

NEAR_BYTES = 1024 * 1024
"""Up to so far lines are counted from the mark before, and not from the index."""


class MarkedLine(NamedTuple):
    """A mark, with the line that its first byte belongs to."""

    offset: int
    line: int
    time: float


@dataclass(frozen=True, slots=True)
class MarksOfLines:
    """Marks, ascending; `next` is the line from which to ask for more, None when that is all."""

    items: Sequence[MarkedLine]
    next: int | None


async def marks_of_lines(output: Output, asked: LineRange) -> MarksOfLines:
    """Return the mark that is valid at the start of the first line, and all up to the last one.

    Raises:
        ArchiveDamagedError: the archive is damaged where it was to be read.
    """
    end = output.size if asked.last is None else await output.line_offset(asked.last + 1)
    start = min(await output.line_offset(asked.first), end)
    counted = _Counted(output)
    items: list[MarkedLine] = []
    for mark in await output.marks(start, end, MAX_MARKS + 1):
        if len(items) == MAX_MARKS or counted.read_bytes > COUNTED_BYTES:
            # Within one long line another mark tells nothing of where lines start.
            return MarksOfLines(items, max(items[-1].line, asked.first + 1))
        items.append(MarkedLine(mark.offset, await counted.line_of(mark), mark.time))
    return MarksOfLines(items, None)


async def mark_at(output: Output, time: float) -> MarkedLine:
    """Return the last mark at or before a time in Unix seconds; the first one if there is none.

    Raises:
        ArchiveDamagedError: the archive is damaged where it was to be read.
    """
    [found] = await output.marks(0, 1, 1)
    low, high = found.offset + 1, output.size - 1
    while low <= high:
        middle = (low + high) // 2
        [mark] = await output.marks(middle, middle + 1, 1)
        if mark.time <= time:
            found, low = mark, middle + 1
        else:
            high = mark.offset - 1
    return MarkedLine(found.offset, await _Counted(output).line_of(found), found.time)


class _Counted:
    """Counts the lines of marks that ascend."""

    def __init__(self, output: Output) -> None:
        self.read_bytes = 0
        self._output = output
        self._offset: int | None = None
        self._line = 1

    async def line_of(self, mark: Mark) -> int:
        """Return the number of the line that a mark's first byte belongs to."""
        if mark.line is not None:
            self._line = mark.line
        elif self._offset is None or mark.offset - self._offset > NEAR_BYTES:
            self.read_bytes += NEAR_BYTES
            self._line = await self._output.lines_before(mark.offset) + 1
        else:
            await self._read_on(self._offset, mark.offset)
        self._offset = mark.offset
        return self._line

    async def _read_on(self, offset: int, end: int) -> None:
        while offset < end and (data := await self._output.read(offset, end - offset)):
            self._line += newlines(data)
            self.read_bytes += len(data)
            offset += len(data)
