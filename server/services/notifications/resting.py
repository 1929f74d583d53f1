"""Targets that fail again and again: each is left alone for a moment after each failure. Pure."""

from dataclasses import dataclass

FIRST_REST_SECONDS = 1.0
LONGEST_REST_SECONDS = 60.0

FORGOTTEN_SECONDS = 7200.0
"""What waits for a target is tried once an hour: by then nothing does, or it is another's name."""

MANY_FAILURES = 5
"""After so many in a row a target is taken to be away, and not a single message to be refused."""


@dataclass(frozen=True, slots=True)
class _Rest:
    failures: int
    ends_at: float


class Resting:
    """The targets whose last message failed. All times are of one clock, in seconds.

    Without it a target that is away would be tried with each of thousands of messages, one after
    another, and its attempts would take the places of others'.
    """

    def __init__(self) -> None:
        self._rests: dict[str, _Rest] = {}

    @property
    def failing(self) -> frozenset[str]:
        """The names of the targets whose last message failed."""
        return frozenset(self._rests)

    def names(self, now: float) -> frozenset[str]:
        """Return the targets that are to be left alone now; forget those that nobody tries."""
        forgotten = now - FORGOTTEN_SECONDS
        self._rests = {n: rest for n, rest in self._rests.items() if rest.ends_at > forgotten}
        return frozenset(name for name, rest in self._rests.items() if now < rest.ends_at)

    def seconds(self, now: float) -> float | None:
        """Return in how many seconds the first of them may be told again; None: none rests."""
        return min(
            (rest.ends_at - now for rest in self._rests.values() if now < rest.ends_at),
            default=None,
        )

    def failed(self, name: str, now: float) -> None:
        """Note that a target was not told."""
        failures = self.failures(name) + 1
        seconds = min(FIRST_REST_SECONDS * 2 ** min(failures - 1, 16), LONGEST_REST_SECONDS)
        self._rests[name] = _Rest(failures, now + seconds)

    def told(self, name: str) -> None:
        """Note that a target was told."""
        self._rests.pop(name, None)

    def failures(self, name: str) -> int:
        """Return how often in a row a target was not told."""
        rest = self._rests.get(name)
        return 0 if rest is None else rest.failures
