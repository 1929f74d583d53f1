"""Who can have what waits in pools: what is said of it to those who wait."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from server.models import Run


class HostSeen(NamedTuple):
    """What a host is called, and since when it has not been heard of; None: it is there."""

    name: str
    away_since: datetime | None


HostOf = Callable[[str], HostSeen | None]
"""Tells how a host is seen; None: nothing is known of it."""


class Roll(Protocol):
    """Tells how hosts are seen, and whether what waits in a pool can be had by somebody."""

    async def look_for(self, runs: Iterable[Run]) -> None:
        """Learn what is to be said of these runs."""
        ...

    def host_of(self, host: str) -> HostSeen | None:
        """Return how a host is seen; None: nothing is known of it."""
        ...

    def lack(self, pool: str, requires: Collection[str]) -> str | None:
        """Say why nobody can have what waits in a pool; None: somebody can, or it is not known."""
        ...
