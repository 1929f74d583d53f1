"""Runs."""

from collections.abc import Iterable
from uuid import UUID

from server.models import Position, Run, RunEnd, RunState
from server.repositories.database import Database
from server.repositories.page import Page


class RunRepository:
    """The table `commands_info`, without the output."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, command_id: UUID, script: str, host: str) -> Run:
        """Store a run of a command, queued, in its first epoch.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        raise NotImplementedError

    async def get(self, run_id: UUID) -> Run:
        """Return a run.

        Raises:
            RunNotFoundError: there is no such run.
        """
        raise NotImplementedError

    async def latest(self, command_id: UUID) -> Run:
        """Return a command's newest run.

        Raises:
            RunNotFoundError: the command has none.
        """
        raise NotImplementedError

    async def list(
        self,
        *,
        state: RunState | None = None,
        command_id: UUID | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Run]:
        """Return runs, newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        raise NotImplementedError

    async def active(self, host: str) -> list[Run]:
        """Return the queued and running runs of a host, oldest first."""
        raise NotImplementedError

    async def take_over(self, run_ids: Iterable[UUID], host: str) -> dict[UUID, Position]:
        """Become the owner of runs: raise their epoch, which fences every owner before.

        Returns where each stands; runs that are no longer active are left out.
        """
        raise NotImplementedError

    async def finish_queued(self, run_id: UUID, end: RunEnd) -> bool:
        """End a run that is still queued; False when it is not."""
        raise NotImplementedError
