"""What the database said of late: asked for anew after some seconds, and good in an outage.

So a request costs no query for a credential that was looked at just now, and while the database is
away those go on reading who were known before.
"""

import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from server.errors import DatabaseUnavailableError

FRESH_SECONDS = 5.0
"""For so long what was said holds, whatever is changed through another server."""

OUTAGE_SECONDS = 600.0
"""For so long it holds while the database is away."""

MAX_REMEMBERED = 10_000
"""Answers; beyond them the one that was asked for longest ago is forgotten."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Held(NamedTuple, Generic[Value]):
    """What is known; `stale` says that the database is away, and this is what it said before."""

    value: Value
    stale: bool


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value
    asked_at: float
    said_at: float
    stale: bool = False


class Remembered(Generic[Key, Value]):
    """Answers of `ask`, by what it was asked for; what it raises is not remembered.

    The clock is a monotonic one, in seconds: one that is set makes nothing hold longer.
    """

    def __init__(
        self,
        ask: Callable[[Key], Awaitable[Value]],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        outage_seconds: float = OUTAGE_SECONDS,
        limit: int = MAX_REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._fresh_seconds = fresh_seconds
        self._outage_seconds = outage_seconds
        self._limit = limit
        self._clock = clock
        self._entries: dict[Key, _Entry[Value]] = {}
        self._forgotten = 0  # counts, so that an answer under way is known to be of before

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: Key) -> Held[Value]:
        """Return what is known of a key; ask, unless that was said just now.

        Raises:
            DatabaseUnavailableError: the database is away, and nothing is known of late.
        """
        now = self._clock()
        entry = self._entries.get(key)
        if entry is not None:
            if self._holds(entry, now):
                return Held(entry.value, entry.stale)
            entry.asked_at = now  # one asks; others that come meanwhile go on with what is known
        try:
            value = await self._answer(key)
        except DatabaseUnavailableError:
            entry = self._entries.get(key)  # it may have been forgotten meanwhile
            if entry is None or now - entry.said_at >= self._outage_seconds:
                raise
            entry.stale = True
            return Held(entry.value, stale=True)
        except Exception:  # there is no such thing any more
            self._entries.pop(key, None)
            raise
        self._entries.pop(key, None)
        self._entries[key] = _Entry(value, asked_at=now, said_at=now)
        if len(self._entries) > self._limit:
            del self._entries[next(iter(self._entries))]
        return Held(value, stale=False)

    def forget(self, key: Key) -> None:
        """Have the next one ask; answers under way are asked for again."""
        self._forgotten += 1
        self._entries.pop(key, None)

    def forget_where(self, is_meant: Callable[[Value], bool]) -> None:
        """Forget all values that are meant."""
        self._forgotten += 1
        for key in [key for key, entry in self._entries.items() if is_meant(entry.value)]:
            del self._entries[key]

    def _holds(self, entry: _Entry[Value], now: float) -> bool:
        if now - entry.asked_at >= self._fresh_seconds:
            return False
        # While one asks, what was said long ago is not good enough for the others.
        seconds = self._outage_seconds if entry.stale else 2 * self._fresh_seconds
        return now - entry.said_at < seconds

    async def _answer(self, key: Key) -> Value:
        while True:
            before = self._forgotten
            value = await self._ask(key)
            if self._forgotten == before:
                return value
