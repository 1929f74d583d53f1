"""What servers know of workers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a worker may claim: how many runs at once, of which pools, with which labels."""

    pools: tuple[str, ...]
    labels: tuple[str, ...]
    places: int


class Roster(Protocol):
    """The workers, by what is stored of them."""

    async def allowed(self, host: str) -> Allowed | None:
        """Return what a worker may claim now; None: nothing, as it has no lease, or drains."""
        ...
