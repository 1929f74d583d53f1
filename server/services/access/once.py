"""Secrets that are good once and for some seconds. They are kept in memory alone."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.errors import CredentialRefusedError, LimitReachedError
from server.services.access.credentials import digest, new_value

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Value]):
    owner: str
    value: Value
    until: float


class Once(Generic[Value]):
    """Secrets, each of which stands for a value until it is taken, for `seconds` at most.

    So many of one owner may wait to be taken. The clock is a monotonic one, in seconds: one that
    is set back makes no secret good for longer.
    """

    def __init__(
        self, *, seconds: float, owners_limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._owners_limit = owners_limit
        self._clock = clock
        self._kept: dict[bytes, _Kept[Value]] = {}  # the eldest first, by the hash of the secret
        self._per_owner: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._kept)

    def make(self, owner: str, value: Value) -> str:
        """Return a new secret that stands for a value.

        Raises:
            LimitReachedError: too many of the owner's wait.
        """
        self._forget_late()
        if self._per_owner[owner] >= self._owners_limit:
            raise LimitReachedError(
                f"{self._owners_limit} of these wait to be used; they are good for"
                f" {self._seconds:.0f} seconds."
            )
        secret = new_value()
        self._kept[digest(secret)] = _Kept(owner, value, self._clock() + self._seconds)
        self._per_owner[owner] += 1
        return secret

    def take(self, secret: str) -> Value:
        """Return what a secret stands for; from now on it is good for nothing.

        Raises:
            CredentialRefusedError: it is none, was taken, or comes too late.
        """
        self._forget_late()
        key = digest(secret)
        if key not in self._kept:
            raise CredentialRefusedError
        return self._forget(key).value

    def _forget_late(self) -> None:
        now = self._clock()
        while self._kept:
            eldest = next(iter(self._kept))
            if now < self._kept[eldest].until:
                return
            self._forget(eldest)

    def _forget(self, key: bytes) -> _Kept[Value]:
        kept = self._kept.pop(key)
        self._per_owner[kept.owner] -= 1
        if not self._per_owner[kept.owner]:
            del self._per_owner[kept.owner]
        return kept
