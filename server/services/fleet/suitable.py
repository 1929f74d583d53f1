"""Whether there is a worker for what waits. Pure."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Protocol


class Lack(StrEnum):
    """Why no worker can have what waits now."""

    NO_WORKER = "no_worker"  # the pool has none
    NO_LABELS = "no_labels"  # none has all labels that are required
    AWAY = "away"  # those that have are unreachable
    DRAINING = "draining"  # some of them drain


WORDS = {
    Lack.NO_WORKER: "the pool has none",
    Lack.NO_LABELS: "none of its workers does",
    Lack.AWAY: "each that could run it is away",
    Lack.DRAINING: "each that could run it is draining or away",
}
"""Behind what a run waits for."""


class Candidate(Protocol):
    """A worker that may have what waits, and how it stands."""

    @property
    def pools(self) -> Collection[str]:
        """The pools that it is of."""
        ...

    @property
    def labels(self) -> Collection[str]:
        """The labels that it has."""
        ...

    @property
    def state(self) -> str:
        """It is `active`, `draining`, `unreachable` or `removed`."""
        ...

    @property
    def draining(self) -> bool:
        """Whether it gets no more runs, also once it is back."""
        ...


def lack(pool: str, requires: Collection[str], workers: Iterable[Candidate]) -> Lack | None:
    """Return why no worker can have what waits in a pool; None: one can, once it has a place."""
    of_pool = [one for one in workers if one.state != "removed" and pool in one.pools]
    fitting = [one for one in of_pool if set(requires) <= set(one.labels)]
    if not of_pool:
        return Lack.NO_WORKER
    if not fitting:
        return Lack.NO_LABELS
    if any(one.state == "active" for one in fitting):
        return None
    return Lack.DRAINING if any(one.draining for one in fitting) else Lack.AWAY
