"""Stored commands."""

from uuid import UUID

from server.models import Command, Run
from server.repositories.database import Database
from server.repositories.page import Page


class CommandRepository:
    """The table `commands`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, description: str | None, script: str) -> Command:
        """Store a command."""
        raise NotImplementedError

    async def add_with_run(
        self, name: str, description: str | None, script: str, *, host: str
    ) -> tuple[Command, Run]:
        """Store a command and its first run, queued, in one statement."""
        raise NotImplementedError

    async def get(self, command_id: UUID) -> Command:
        """Return a command.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        raise NotImplementedError

    async def get_with_last_run(self, command_id: UUID) -> tuple[Command, Run | None]:
        """Return a command and its newest run.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        raise NotImplementedError

    async def replace(
        self, command_id: UUID, name: str, description: str | None, script: str
    ) -> Command:
        """Replace what the user wrote of a command.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        raise NotImplementedError

    async def delete(self, command_id: UUID) -> None:
        """Delete a command with its runs and their output.

        Raises:
            CommandNotFoundError: there is no such command.
            CommandActiveError: it has an active run.
        """
        raise NotImplementedError

    async def list(
        self, *, query: str = "", limit: int, cursor: str | None = None
    ) -> Page[tuple[Command, Run | None]]:
        """Return commands with their newest run, newest command first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        raise NotImplementedError
