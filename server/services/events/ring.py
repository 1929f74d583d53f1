"""The newest change of each of the things that changed last. Pure."""

from collections.abc import Hashable, Sequence
from itertools import takewhile
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Ring(Generic[Key, Value]):
    """Holds one change a thing, of at most `capacity` things, in the order of their sequences.

    Who reads it keeps the sequence up to which it has come, and nothing else: of several changes
    of a thing it finds the last. `lost` is the highest sequence of a change that is gone, or may
    be: who has not come so far misses something.
    """

    def __init__(self, capacity: int, *, lost: int) -> None:
        assert capacity > 0, "a ring holds something"
        self._capacity = capacity
        self._changes: dict[Key, tuple[int, Value]] = {}
        self.lost = lost

    def __len__(self) -> int:
        return len(self._changes)

    def get(self, key: Key) -> Value | None:
        """Return the change that is held of a thing."""
        found = self._changes.get(key)
        return None if found is None else found[1]

    def put(self, sequence: int, key: Key, change: Value) -> None:
        """Add a change, which is newer than all others, in the place of the thing's one before."""
        self._changes.pop(key, None)  # so that it stands at the end
        self._changes[key] = sequence, change
        if len(self._changes) > self._capacity:
            self.lost, _ = self._changes.pop(next(iter(self._changes)))

    def after(self, sequence: int, limit: int) -> Sequence[tuple[int, Value]]:
        """Return the next changes that are newer than a sequence, the oldest of them first."""
        newer = [*takewhile(lambda one: one[0] > sequence, reversed(self._changes.values()))]
        return newer[::-1][:limit]

    def clear(self, sequence: int) -> None:
        """Forget all changes; whoever has not come up to this sequence misses something."""
        self._changes.clear()
        self.lost = sequence
