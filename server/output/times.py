"""When bytes were first seen: a bounded number of marks. Pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from server.output.marks import Mark

MAX_MARKS = 4096
"""Time marks of one output, at most: 64 KiB of memory."""

FIRST_SPACING_SECONDS = 0.001
"""Marks closer than this become one; the spacing doubles whenever there are too many marks."""


class TimeMarks:
    """Times at offsets, each valid up to the next mark.

    However long a run is, the error stays below 4 / `limit` of its duration: a thousandth.
    `marks` must not be empty and must ascend; the first one also holds for what is before it.
    """

    def __init__(self, marks: Iterable[tuple[int, float]], *, limit: int = MAX_MARKS) -> None:
        self._limit = limit
        self._spacing = FIRST_SPACING_SECONDS
        self._offsets = array("Q")
        self._times = array("d")
        for offset, time in marks:
            self.add(offset, time)

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, offset: int, time: float) -> None:
        """Note that the bytes from `offset` on were first seen at `time`.

        Raises:
            ValueError: the offset is below that of the last mark.
        """
        if self._offsets and offset < self._offsets[-1]:
            raise ValueError(f"time marks ascend: {offset} is below {self._offsets[-1]}")
        if self._offsets and offset == self._offsets[-1]:
            self._times[-1] = time
        # abs: a clock that is set back must not stop the marks until it has caught up.
        elif not self._times or abs(time - self._times[-1]) >= self._spacing:
            self._offsets.append(offset)
            self._times.append(time)
            while len(self._offsets) > self._limit:
                self._thin()

    def at(self, offset: int) -> float:
        """Return when the byte at `offset` was first seen."""
        return self._times[max(0, bisect_right(self._offsets, offset) - 1)]

    def between(self, start: int, end: int) -> list[Mark]:
        """Return the mark that is valid at `start`, and those behind it and before `end`."""
        first = max(0, bisect_right(self._offsets, start) - 1)
        last = max(first + 1, bisect_left(self._offsets, end))
        return [*map(Mark, self._offsets[first:last], self._times[first:last])]

    def _thin(self) -> None:
        """Double the spacing and leave out the marks that have become too close."""
        self._spacing *= 2
        marks = list(zip(self._offsets, self._times, strict=True))
        self._offsets, self._times = array("Q"), array("d")
        for offset, time in marks:
            self.add(offset, time)
