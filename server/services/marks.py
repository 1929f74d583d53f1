"""When lines were written: marks of an output, with their lines, which are counted here."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from server.errors import ArchiveDamagedError, DatabaseUnavailableError, RunNotFoundError
from server.output.lines import LineRange, newlines
from server.output.log import RunLog
from server.output.marks import Mark
from server.services.archive.chunks import Chunks
from server.services.hosts.hosts import Hosts, Watched
from server.services.runs import RunService

MAX_MARKS = 1000
"""Marks in one answer, at most."""

COUNTED_BYTES = 16 * 1024 * 1024
"""Output that is read for one answer, about: what is beyond is asked for with `next`."""

NEAR_BYTES = 1024 * 1024
"""Up to so far lines are counted from the mark before, and not from the index."""


class MarkedOutput(Protocol):
    """What marks and their lines are read from; an `Output` is one."""

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        ...

    async def read(self, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes from `offset`: at least one when `offset` is below `size`."""
        ...

    async def lines_before(self, offset: int) -> int:
        r"""Return the number of ``\n`` in [0, offset)."""
        ...

    async def line_offset(self, line: int) -> int:
        """Return where a line starts; the size when there is no such line."""
        ...

    async def marks(self, start: int, end: int, limit: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and up to `limit` in all before `end`."""
        ...


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


class Marks:
    """Marks of runs, live and finished."""

    def __init__(self, hosts: Hosts, runs: RunService, chunks: Chunks) -> None:
        self._hosts = hosts
        self._runs = runs
        self._chunks = chunks

    async def of_lines(self, run_id: UUID, asked: LineRange) -> MarksOfLines:
        """Return the marks of lines (`marks_of_lines`).

        Raises:
            RunNotFoundError: there is no such run.
            ArchiveDamagedError: its archive is damaged where it was to be read.
        """
        async with self._output(run_id) as output:
            return await marks_of_lines(output, asked)

    async def at(self, run_id: UUID, time: float) -> MarksOfLines:
        """Return the mark of a time (`mark_at`); it raises as `of_lines` does."""
        async with self._output(run_id) as output:
            return MarksOfLines([await mark_at(output, time)], None)

    @asynccontextmanager
    async def _output(self, run_id: UUID) -> AsyncIterator[MarkedOutput]:
        async with self._hosts.follow(run_id) as live, self._runs.output(run_id) as output:
            if live is not None and isinstance(output, RunLog):
                yield LiveMarks(live, output, self._chunks)
            else:
                yield output


class LiveMarks:
    """The output of a run that goes on, with the marks of what is archived as they are there.

    Its log keeps them roughly alone, which is told where the archive cannot be asked.
    """

    def __init__(self, live: Watched, log: RunLog, chunks: Chunks) -> None:
        self._live = live
        self._log = log
        self._chunks = chunks
        self.read, self.lines_before = log.read, log.lines_before
        self.line_offset = log.line_offset

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        return self._log.size

    async def marks(self, start: int, end: int, limit: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and up to `limit` in all before `end`."""
        run = self._live.run
        if start >= run.output_bytes:
            return await self._log.marks(start, end, limit)
        # Before anything is awaited: what is archived meanwhile is forgotten here.
        fresh = self._log.fresh_marks(run.output_bytes, end)
        try:
            found = await self._chunks.marks(run.id, start, min(end, run.output_bytes), limit)
        except (DatabaseUnavailableError, ArchiveDamagedError, RunNotFoundError):
            return await self._log.marks(start, end, limit)
        last = max(found[-1].offset, run.output_bytes - 1)
        return [*found, *(mark for mark in fresh if last < mark.offset < end)][:limit]


async def marks_of_lines(output: MarkedOutput, asked: LineRange) -> MarksOfLines:
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


async def mark_at(output: MarkedOutput, time: float) -> MarkedLine:
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

    def __init__(self, output: MarkedOutput) -> None:
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
