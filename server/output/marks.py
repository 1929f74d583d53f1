"""When bytes were first seen, as finely as it is kept: marks, and how they are packed. Pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

SPACING_BYTES = 64 * 1024
SPACING_SECONDS = 0.1
"""A mark is made where the one before is so far away, in bytes or in time."""

MAX_FRESH_MARKS = 16_384
"""Marks that one output keeps until they are archived: 256 KiB. An hour of output that comes all
the time is 36,000: only while the database is away for long are they fewer than promised."""

MILLISECONDS = 1000

END_OF_TIME = 253_402_300_800
"""The year 10000, in Unix seconds: no clock says that."""

NUMBER_BITS = 63
"""Of a packed number, which is an offset or a time: more would take time, and are none."""


class Mark(NamedTuple):
    """The bytes from `offset` on were first seen at `time` (Unix seconds), up to the next mark.

    `line` is the number of the line that the first of them belongs to, where it is known.
    """

    offset: int
    time: float
    line: int | None = None


class FreshMarks:
    """The marks of output that is not archived yet; they ascend in their offsets."""

    def __init__(self, *, limit: int = MAX_FRESH_MARKS) -> None:
        self._limit = limit
        self._offsets = array("Q")
        self._times = array("d")
        self._factor = 1

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, offset: int, time: float) -> None:
        """Note that the bytes from `offset` on were first seen at `time`."""
        if self._offsets and offset == self._offsets[-1]:
            self._times[-1] = time
            return
        if self._offsets:
            far = offset - self._offsets[-1] >= SPACING_BYTES * self._factor
            # abs: a clock that is set back must not stop the marks until it has caught up.
            late = abs(time - self._times[-1]) >= SPACING_SECONDS * self._factor
            if not far and not late:
                return
        self._offsets.append(offset)
        self._times.append(time)
        while len(self._offsets) > self._limit:
            self._thin()

    def between(self, start: int, end: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and those behind it and before `end`."""
        first = max(0, bisect_right(self._offsets, start) - 1)
        last = max(first + 1, bisect_left(self._offsets, end))
        return [*map(Mark, self._offsets[first:last], self._times[first:last])]

    def forget(self, offset: int) -> None:
        """Forget what is needed for bytes before `offset` alone."""
        first = max(0, bisect_right(self._offsets, offset) - 1)
        del self._offsets[:first], self._times[:first]
        if len(self._offsets) <= self._limit // 2:
            self._factor = 1

    def _thin(self) -> None:
        """Leave out every other mark, and make them half as often."""
        self._factor *= 2
        self._offsets, self._times = self._offsets[::2], self._times[::2]


def packed(marks: Sequence[Mark], start: int, seen_at: float) -> bytes:
    """Pack the marks of a chunk that begins at `start`, and of which the last byte was `seen_at`.

    Each is two numbers: the bytes and the milliseconds since the one before, or since the chunk's
    start and `seen_at`.
    """
    data = bytearray()
    offset, time = start, round(seen_at * MILLISECONDS)
    for mark in marks:
        following, at = max(start, mark.offset), round(mark.time * MILLISECONDS)
        data += _number(following - offset) + _number(_unsigned(at - time))
        offset, time = following, at
    return bytes(data)


def unpacked(data: bytes, start: int, seen_at: float) -> list[Mark]:
    """Return what was packed; at least one mark, at `start`.

    Without any, or with what is none, everything is of `seen_at`. They may have been packed by a
    worker that lies: there are no more than an output has, and what is no time ends them.
    """
    marks = []
    offset, time = start, round(seen_at * MILLISECONDS)
    numbers = _numbers(data)
    for distance, later in islice(zip(numbers, numbers, strict=False), MAX_FRESH_MARKS):
        offset, time = offset + distance, time + _signed(later)
        if not 0 <= time < END_OF_TIME * MILLISECONDS:
            break
        marks.append(Mark(offset, time / MILLISECONDS))
    if not marks or marks[0].offset != start:
        return [Mark(start, seen_at)]
    return marks


def _number(value: int) -> bytes:
    """Write a number from 0 on, seven bits a byte, the lowest first; all but the last have 128."""
    data = bytearray()
    while value >= 128:
        data.append(value & 127 | 128)
        value >>= 7
    data.append(value)
    return bytes(data)


def _numbers(data: bytes) -> Iterator[int]:
    value, shift = 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value, shift = 0, 0
        elif shift > NUMBER_BITS:
            return


def _unsigned(value: int) -> int:
    return value * 2 if value >= 0 else -value * 2 - 1


def _signed(value: int) -> int:
    return -(value + 1) // 2 if value & 1 else value // 2
