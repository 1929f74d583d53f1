"""Searching outputs: some at a time, each call for a bounded time, in threads of a low priority."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from server.errors import LimitReachedError
from server.output.source import Output
from server.services.search.hits import REACH_BYTES, Hit, lines_after, lines_before
from server.services.search.pattern import Pattern, Query
from server.services.search.places import decode, encode
from server.services.search.scan import Asked, Place, Scan

CALL_SECONDS = 2.0
"""For which one call searches; what is left is left to the next."""

TURN_SECONDS = 0.05
"""For which a search has a thread, while others wait for it."""

PROCESSORS = len(os.sched_getaffinity(0))
THREADS = max(1, min(2, PROCESSORS - 1))
"""A processor is left to all else: a search that waits for one with the interpreter's lock in its
hands has every viewer wait."""

NICENESS = 10
"""Of the threads that search, as of those that archive: viewers come first."""

MAX_SEARCHES = 8
"""At a time: each holds some MiB, and RE2's memory."""

MAX_WAITING = 64
"""Searches that wait for one of these to end; further ones are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for, from which line on or where a cursor is, and what is told of it.

    `histogram`: into how many parts of equal bytes the output is divided for it, 0 without one.
    """

    query: Query
    first: int
    until: int | None
    skip: int
    limit: int
    context: int
    histogram: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Searched:
    """What a call has found; `count` is of all calls up to this one.

    `next` leads on: to what was not looked at, or while the run goes on to what it writes later.
    """

    items: Sequence[Hit]
    count: int
    complete: bool
    next: str | None
    scanned_bytes: int
    size: int
    histogram: Sequence[Sequence[int]]


class Search:
    """The searches of one server."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, "search", partial(os.nice, NICENESS))
        self._places = asyncio.Semaphore(MAX_SEARCHES)
        self._waiting = 0

    async def search(
        self, name: str, output: Output, wanted: Wanted, *, gone: Callable[[], bool]
    ) -> Searched:
        """Search an output, which a `name` tells from others; end early once nobody listens.

        Raises:
            PatternRefusedError: what is searched for cannot be.
            InvalidCursorError: the cursor is none, or of another search.
            LimitReachedError: too many searches wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise LimitReachedError(f"{MAX_WAITING} searches wait already; try again later.")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._search(name, output, wanted, gone)
        finally:
            self._places.release()

    async def _search(
        self, name: str, output: Output, wanted: Wanted, gone: Callable[[], bool]
    ) -> Searched:
        loop = asyncio.get_running_loop()
        pattern = await loop.run_in_executor(self._threads, Pattern, wanted.query)
        place = await _begin(name, output, wanted)
        if place is None:
            return _nothing(output.size)
        asked = Asked(
            limit=wanted.limit,
            skip=wanted.skip,
            context=wanted.context,
            until=wanted.until,
            part_bytes=max(1, -(-output.size // wanted.histogram)) if wanted.histogram else 0,
        )
        scan = Scan(pattern, asked, place, clock=self._clock)
        is_behind = await self._look(scan, output, gone)
        ended, size = output.ended, output.size
        complete = not scan.full and (scan.done or (not is_behind and scan.wants == size))
        count = scan.finish(ended=ended) if complete else scan.place.count
        for one in scan.owed:
            await _add_context(one, output, wanted)
        over = complete and (ended or scan.done)
        return Searched(
            items=scan.found.items,
            count=count,
            complete=complete,
            next=None if over else encode(scan.place, name, wanted.query),
            scanned_bytes=scan.place.offset,
            size=size,
            histogram=scan.found.histogram,
        )

    async def _look(self, scan: Scan, output: Output, gone: Callable[[], bool]) -> bool:
        """Search until all that is there is looked at, or the time is over.

        Return whether there was no time for all that was read.
        """
        deadline = self._clock() + CALL_SECONDS
        turn = _Turn(scan, self._clock, deadline)
        loop = asyncio.get_running_loop()
        async with output.in_pieces(self._threads) as give:
            while not scan.done and not gone() and self._clock() < deadline:
                turn.begin()
                if turn.is_behind:
                    await loop.run_in_executor(self._threads, turn.take, b"")
                elif scan.wants < output.size:
                    await give(scan.wants, turn.take)
                else:
                    break
        return turn.is_behind


class _Turn:
    """A search's turns in a thread."""

    def __init__(self, scan: Scan, clock: Callable[[], float], deadline: float) -> None:
        self._scan = scan
        self._clock = clock
        self._deadline = deadline
        self._end: float | None = None
        self.is_behind = False
        """Whether what it was given was not all looked at."""

    def begin(self) -> None:
        """Begin a turn; its time runs from when a thread takes it."""
        self._end = None

    def take(self, data: bytes) -> bool:
        """Look at what follows; return whether more may be looked at in this turn."""
        if self._end is None:
            self._end = min(self._deadline, self._clock() + TURN_SECONDS)
        self.is_behind = not self._scan.feed(data, until=self._end)
        return not (self.is_behind or self._scan.done) and self._clock() < self._end


def _nothing(size: int) -> Searched:
    """Answer a search that begins behind the last line."""
    return Searched(
        items=[],
        count=0,
        complete=True,
        next=None,
        scanned_bytes=size,
        size=size,
        histogram=[],
    )


async def _begin(name: str, output: Output, wanted: Wanted) -> Place | None:
    """Return where to begin; None: there is no such line."""
    if wanted.cursor is not None:
        return decode(wanted.cursor, name, wanted.query)
    offset = await output.line_offset(wanted.first)
    return Place(offset, wanted.first) if offset < output.size or wanted.first == 1 else None


async def _add_context(one: Hit, output: Output, wanted: Wanted) -> None:
    """Read the lines around a hit."""
    count, encoding = wanted.context, wanted.query.encoding
    start = max(0, one.offset - REACH_BYTES)
    before = await _read(output, start, one.offset)
    one.before = lines_before(before, count, encoding, whole=start == 0)
    end = min(output.size, one.stop + REACH_BYTES)
    one.after = lines_after(await _read(output, one.stop, end), count, encoding)


async def _read(output: Output, start: int, end: int) -> bytes:
    data = b""
    while start + len(data) < end:
        piece = await output.read(start + len(data), end - start - len(data))
        if not piece:
            break
        data += piece
    return data
