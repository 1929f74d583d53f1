"""Who can have what waits in pools: what is said of it to those who wait."""

from collections.abc import Collection, Iterable
from typing import Protocol

from server.models import Run


class Roll(Protocol):
    """Tells whether what waits in a pool can be had by somebody."""

    async def look_for(self, runs: Iterable[Run]) -> None:
        """Learn what is to be said of these runs."""
        ...

    def lack(self, pool: str, requires: Collection[str]) -> str | None:
        """Say why nobody can have what waits in a pool; None: somebody can, or it is not known."""
        ...
