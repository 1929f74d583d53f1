"""Who is answered next, of all who wait: each in turn, and none with more than a share. Pure."""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many are answered at once, and what waits at most, in all.

    Of one asker `share` are answered at once, with `share_bytes`, or one that is larger.
    """

    at_once: int
    share: int
    share_bytes: int
    waiting: int
    waiting_bytes: int


class Line(Generic[T]):
    """What waits, by askers. Where too much does, whoever has most in it loses what is oldest.

    Who asked for that asks again, or has given up.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._waiting: dict[str, deque[tuple[T, int]]] = {}
        self._sizes: dict[str, int] = {}
        self._count = self._bytes = 0
        self._going: dict[str, int] = {}
        self._going_bytes: dict[str, int] = {}
        self._places = bounds.at_once

    def add(self, asker: str, item: T, size: int) -> None:
        """Put something into the line that has so many bytes."""
        self._waiting.setdefault(asker, deque()).append((item, size))
        self._count, self._bytes = self._count + 1, self._bytes + size
        self._sizes[asker] = self._sizes.get(asker, 0) + size
        while self._count > self._bounds.waiting or (
            self._count > 1 and self._bytes > self._bounds.waiting_bytes
        ):
            self._take(max(self._waiting, key=self._has_most))

    def next(self) -> tuple[str, T, int] | None:
        """Take what is answered next: by whom it was asked, it, and its size.

        `done` gives its place back.
        """
        if not self._places:
            return None
        for asker in self._waiting:
            if self._has_room(asker):
                size = self._waiting[asker][0][1]
                item = self._take(asker)
                if asker in self._waiting:  # the others come first now
                    self._waiting[asker] = self._waiting.pop(asker)
                self._going[asker] = self._going.get(asker, 0) + 1
                self._going_bytes[asker] = self._going_bytes.get(asker, 0) + size
                self._places -= 1
                return asker, item, size
        return None

    def done(self, asker: str, size: int) -> None:
        """Note that something of this size was answered."""
        self._places += 1
        self._going[asker] -= 1
        self._going_bytes[asker] -= size
        if not self._going[asker]:
            del self._going[asker], self._going_bytes[asker]

    def _has_room(self, asker: str) -> bool:
        going, size = self._going.get(asker, 0), self._waiting[asker][0][1]
        fits = self._going_bytes.get(asker, 0) + size <= self._bounds.share_bytes
        return not going or (going < self._bounds.share and fits)

    def _has_most(self, asker: str) -> tuple[int, int]:
        return self._sizes[asker], len(self._waiting[asker])

    def _take(self, asker: str) -> T:
        item, size = self._waiting[asker].popleft()
        self._count, self._bytes = self._count - 1, self._bytes - size
        self._sizes[asker] -= size
        if not self._waiting[asker]:
            del self._waiting[asker], self._sizes[asker]
        return item
