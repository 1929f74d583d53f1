"""How it stands with the turns of commands. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Holder:
    """An active run that has had its turn, and the host that it is of, if one has it yet."""

    run_id: UUID
    host: str | None


@dataclass(frozen=True, slots=True)
class Replacing:
    """The newest run that was started to replace those before it.

    `wants`: it waits for nothing but its turn. `older` holders were stored before it.
    """

    run_id: UUID
    created_at: datetime
    wants: bool
    older: int


@dataclass(frozen=True, slots=True)
class Line:
    """How it stands with the turns of a command; without a `limit` each has it at once.

    The holders are in the order in which they were stored.
    """

    command_id: UUID
    limit: int | None
    holders: Sequence[Holder]
    newest: Replacing | None

    @property
    def has_room(self) -> bool:
        """Whether a further run may have its turn."""
        return self.limit is None or len(self.holders) < self.limit

    @property
    def replaced(self) -> Sequence[Holder]:
        """The holders that are to end, for the newest run to have its turn."""
        if self.newest is None or not self.newest.wants or self.limit is None:
            return ()
        return self.holders[: min(self.newest.older, len(self.holders) - self.limit + 1)]
