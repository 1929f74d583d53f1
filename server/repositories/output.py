"""The archive: runs' output as rows of compressed chunks."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from server.models import Advance, Chunk, Position
from server.repositories.database import Database


class OutputRepository:
    """The table `commands_info_output`, and the offsets in `commands_info` that lead it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, advances: Sequence[Advance]) -> set[UUID]:
        """Move runs on by compare and append; return those that moved."""
        raise NotImplementedError

    async def positions(self, run_ids: Iterable[UUID]) -> dict[UUID, Position]:
        """Return where runs' archives stand; unknown runs are left out."""
        raise NotImplementedError

    async def chunks(self, run_id: UUID, from_offset: int, limit: int) -> list[Chunk]:
        """Return up to `limit` chunks in order; the first one contains `from_offset`."""
        raise NotImplementedError

    async def chunk_of_newline(self, run_id: UUID, newline: int) -> Chunk | None:
        """Return the chunk that holds a run's newline of this number (from 1), if there is one."""
        raise NotImplementedError
