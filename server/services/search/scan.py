"""One search through an output, as its bytes come: what matches, how often, where. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from server.output.lines import after_newline, newlines
from server.services.search.hits import REACH_BYTES, Hit, hit, lines_after, lines_before
from server.services.search.pattern import Match, Pattern

PIECE_BYTES = 256 * 1024
"""A line is looked at whole up to so many bytes, a longer one in pieces of at least as many."""

OVERLAP_BYTES = 4096
"""By which the pieces of a long line overlap: a match in it may be as long."""

FIRST_WINDOW_BYTES = 4096
MAX_WINDOW_BYTES = 1024 * 1024
QUICK_SECONDS, SLOW_SECONDS = 0.002, 0.02
"""A window after which the next one is twice as large, or half: nothing interrupts RE2 within."""

MAX_ITEMS_BYTES = 1024 * 1024
"""Of the hits in one answer; what is beyond is left to the next."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a search has come: the offset of the next byte, in which line, hits before it.

    In the middle of a line that is longer than a piece, `line_offset` is where that begins, and
    `found` whether it has matched. Else they are None and false.
    """

    offset: int = 0
    line: int = 1
    count: int = 0
    line_offset: int | None = None
    found: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the hits is told.

    After `skip` hits come `limit` with `context` lines around them, and the search stops there; a
    limit of 0: it counts to the end. `until`: the last line to look at. `part_bytes`: how much of
    the output is one part of the histogram, 0 without one.
    """

    limit: int = 0
    skip: int = 0
    context: int = 0
    until: int | None = None
    part_bytes: int = 0


@dataclass(slots=True)
class Found:
    """What was found so far: hits, and of each part with any the line of the first and how many."""

    items: list[Hit] = field(default_factory=list)
    histogram: list[list[int]] = field(default_factory=list)


class Scan:
    """A search from `place` on. It is given the bytes of the output from `wants` on, in order.

    Lines are looked at once they are whole; `finish` looks at the last one. Nothing is done for a
    line that does not match, and where most do, RE2 counts many at once.
    """

    def __init__(
        self, pattern: Pattern, asked: Asked, place: Place, *, clock: Callable[[], float]
    ) -> None:
        self._pattern = pattern
        self._asked = asked
        self._clock = clock
        self._data = b""
        self._at = 0
        self._rest = b""
        self._rest_at = 0
        self._skip = asked.skip
        self._part = -1
        self._window = FIRST_WINDOW_BYTES
        self._hits_a_byte = 0.0
        self._items_bytes = 0
        self.place = place
        """From where another search can go on; an unfinished line is to be seen again."""
        self.found = Found()
        self.full = False
        """Whether all hits that were asked for are found; more may follow."""
        self.owed: list[Hit] = []
        """Hits whose lines around them were not at hand."""

    @property
    def wants(self) -> int:
        """The offset of the next byte that it has not seen."""
        left = len(self._rest) - self._rest_at
        return self.place.offset + len(self._data) - self._at + left

    @property
    def done(self) -> bool:
        """Whether it looks at nothing more."""
        return self.full or self._past

    @property
    def _past(self) -> bool:
        return self._asked.until is not None and self.place.line > self._asked.until

    def feed(self, data: bytes, *, until: float = math.inf) -> bool:
        """Look at what follows; return whether there was time for all of it.

        What was not looked at by `until`, by the clock, is kept: `feed(b"")` goes on with it.
        """
        if data:
            assert not self._rest, "what it was given before is looked at first"
            self._rest, self._rest_at = data, 0
        while self._look(until):
            if self.done or not self._rest:
                return True
            self._go_on()
        return False

    def _look(self, until: float) -> bool:
        """Look at the lines at hand; return whether there was time for all of them."""
        while not self.done:
            if self.place.line_offset is not None:
                going_on = self._end_long_line()
            elif (end := self._window_end()) > 0:
                self._look_at_lines(end)
                going_on = True
            else:
                going_on = self._look_at_piece()
            if not going_on:
                return True
            if self._clock() >= until:
                return False
        return True

    def _go_on(self) -> None:
        """Take what follows to hand: first, by itself, the line that is left, with its end.

        So what follows, mostly a megabyte, is not copied for the sake of the line before it.
        """
        left, end = self._data[self._at :], len(self._rest)
        if left and (newline := self._rest.find(b"\n", self._rest_at) + 1):
            end = newline
        taken = left + self._rest[self._rest_at : end] if left else self._rest
        self._data, self._at = taken, 0 if left else self._rest_at
        self._rest_at = end
        if end == len(self._rest):
            self._rest, self._rest_at = b"", 0

    def finish(self, *, ended: bool) -> int:
        """Look at the last line, which no newline ends; return how many hits there are with it.

        `place` stays before that line, which is looked at anew if the output goes on.
        """
        inside, count = self.place.line_offset is not None, self.place.count
        if self.done or self.place.found or self._at == len(self._data):
            return count
        match = self._pattern.first(self._data, self._at + inside, len(self._data))
        if match is None:
            return count
        line_offset = self.place.line_offset if inside else self.place.offset
        if ended:
            self._count_part(self.place.line, 1)
        self._tell(self.place.line, line_offset or 0, (self._at, len(self._data)), match)
        return count + 1

    def _window_end(self) -> int:
        """Return where the lines end that are looked at next, 0 if there is no whole one."""
        data, at, window = self._data, self._at, self._window
        end = data.rfind(b"\n", at, at + window) + 1 or data.find(b"\n", at + window) + 1
        if end and self._asked.part_bytes:  # all of them begin in one part
            border = self.place.offset // self._asked.part_bytes + 1
            left = border * self._asked.part_bytes - self.place.offset
            end = min(end, data.find(b"\n", at + left - 1) + 1 or end)
        return end

    def _look_at_lines(self, end: int) -> None:
        """Look at the whole lines up to `end`."""
        at, line = self._at, self.place.line
        count = self._newlines(at, end)
        if self._asked.until is not None and line + count > self._asked.until + 1:
            count = self._asked.until + 1 - line
            end = at + after_newline(self._data[at:end], count)
        began = self._clock()
        stop, hits = self._hits(end)
        self._adapt(self._clock() - began)
        self._hits_a_byte = hits / (stop - at)
        count = count if stop == end else self._newlines(at, stop)
        self._move(stop, line=line + count, count=self.place.count + hits)

    def _hits(self, end: int) -> tuple[int, int]:
        """Return where it stopped (`end`, or behind the last hit wanted), and how many hits."""
        position, first, count, batches = self._at, -1, 0, self._pattern.batch_lines > 0
        while position < end and not self.full:
            if batches and first >= 0 and self._worth_a_batch(end - position):
                stop = self._pattern.batch(self._data, position, end)
                batches = stop >= 0
                if batches:
                    count += self._pattern.batch_lines
                    self._skip = max(0, self._skip - self._pattern.batch_lines)
                    position = stop
                continue
            match = self._pattern.first(self._data, position, end - 1)
            if match is None:
                position = end
                break
            if first < 0:
                first = self.place.line + self._newlines(self._at, match.start)
            count += 1
            stop = self._data.index(b"\n", match.end) + 1
            self._line_found(position, stop, match)
            position = stop
        self._count_part(first, count)
        return position, count

    def _newlines(self, start: int, end: int) -> int:
        return newlines(memoryview(self._data)[start:end])

    def _worth_a_batch(self, left: int) -> bool:
        """Return whether twice a batch is likely in the bytes that are left of the window."""
        lines = self._pattern.batch_lines
        wanted = self._asked.limit == 0 or self._skip >= lines
        return wanted and left * self._hits_a_byte >= 2 * lines

    def _line_found(self, position: int, stop: int, match: Match) -> None:
        """Tell of a line that ends at `stop` and matches; lines from `position` on are new."""
        if self._asked.limit == 0 or self._skip > 0:
            self._skip = max(0, self._skip - 1)
            return
        start = max(position, self._data.rfind(b"\n", position, match.start) + 1)
        line = self.place.line + self._newlines(self._at, start)
        self._tell(line, self.place.offset + start - self._at, (start, stop - 1), match)

    def _tell(self, line: int, offset: int, where: tuple[int, int], match: Match) -> None:
        """Add a hit: [start, stop) of the data is its line, or a piece of it."""
        if self._asked.limit == 0 or self._skip > 0:
            return
        start, stop = where
        base = self.place.offset + start - self._at
        data = self._data[start:stop]
        shown = self._pattern.shown(self._data, start, stop) if offset == base else match
        inside = Match(shown.start - start, shown.end - start)
        one = hit(line, offset, data, base, inside, self._pattern.encoding)
        if self._asked.context:
            self._add_context(one, start, stop + 1)
        self.found.items.append(one)
        self._items_bytes += one.bytes
        enough = len(self.found.items) >= self._asked.limit
        self.full = enough or self._items_bytes >= MAX_ITEMS_BYTES

    def _add_context(self, one: Hit, start: int, stop: int) -> None:
        """Add the lines around a hit, whose line is [start, stop) of the data."""
        base = self.place.offset - self._at
        is_first = base == 0 and start <= REACH_BYTES
        if not (is_first or start > REACH_BYTES) or len(self._data) - stop < REACH_BYTES:
            self.owed.append(one)
            return
        count, encoding = self._asked.context, self._pattern.encoding
        before = self._data[max(0, start - REACH_BYTES) : start]
        one.before = lines_before(before, count, encoding, whole=is_first)
        one.after = lines_after(self._data[stop : stop + REACH_BYTES], count, encoding)

    def _look_at_piece(self) -> bool:
        """Look at what there is of a long line; return whether there was enough of it."""
        data, at, inside = self._data, self._at, self.place.line_offset is not None
        if len(data) - at < PIECE_BYTES:
            return False
        found, count = self.place.found, self.place.count
        line_offset = self.place.line_offset if inside else self.place.offset
        if not found:
            # Beside what is looked at lies a byte of the line: no end of it is seen there.
            match = self._pattern.first(data, at + inside, len(data) - 1)
            if match is not None:
                found, count = True, count + 1
                self._long_line_found(line_offset or 0, len(data), match)
        at = len(data) - OVERLAP_BYTES - 1
        self._move(at, line_offset=line_offset, found=found, count=count)
        return True

    def _end_long_line(self) -> bool:
        """Go on in a long line; return whether its end, or a further piece, was there."""
        newline = self._data.find(b"\n", self._at)
        if newline < 0:
            return self._look_at_piece()
        found, count = self.place.found, self.place.count
        if not found:
            match = self._pattern.first(self._data, self._at + 1, newline)
            if match is not None:
                count += 1
                self._long_line_found(self.place.line_offset or 0, newline, match)
        self._move(
            newline + 1, line=self.place.line + 1, count=count, line_offset=None, found=False
        )
        return True

    def _long_line_found(self, offset: int, stop: int, match: Match) -> None:
        self._count_part(self.place.line, 1)
        self._tell(self.place.line, offset, (self._at, stop), match)
        self._skip = max(0, self._skip - 1)

    def _count_part(self, line: int, hits: int) -> None:
        """Add hits to the part of the histogram in which the place is."""
        if not self._asked.part_bytes or not hits:
            return
        part = self.place.offset // self._asked.part_bytes
        if part != self._part:
            self._part = part
            self.found.histogram.append([line, 0])
        self.found.histogram[-1][1] += hits

    def _move(self, at: int, **place: Any) -> None:
        """Go on at `at` in the data."""
        offset = self.place.offset + at - self._at
        self._at = at
        self.place = replace(self.place, offset=offset, **place)

    def _adapt(self, seconds: float) -> None:
        """Choose how much is looked at next, by how long this took."""
        if seconds < QUICK_SECONDS:
            self._window = min(2 * self._window, MAX_WINDOW_BYTES)
        elif seconds > SLOW_SECONDS:
            self._window = max(self._window // 2, FIRST_WINDOW_BYTES)
