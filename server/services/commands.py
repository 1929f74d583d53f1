"""Stored commands."""

from dataclasses import dataclass
from uuid import UUID

from server.models import Command
from server.repositories.commands import CommandRepository
from server.repositories.page import Page
from server.services.live import RunView
from server.services.runner import Runner
from server.services.runs import RunService


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command with its newest run, if it has one."""

    command: Command
    last_run: RunView | None


class CommandService:
    """What users ask of commands."""

    def __init__(self, commands: CommandRepository, runner: Runner, runs: RunService) -> None:
        self._commands = commands
        self._runner = runner
        self._runs = runs

    async def create(
        self, *, name: str, description: str | None, script: str, start: bool
    ) -> CommandView:
        """Store a command and start its first run, unless `start` is false."""
        if not start:
            return CommandView(await self._commands.add(name, description, script), None)
        command, run = await self._commands.add_with_run(
            name, description, script, host=self._runner.host
        )
        return CommandView(command, (await self._runner.take_up(run)).view)

    async def get(self, command_id: UUID) -> CommandView:
        """Return a command.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        command, run = await self._commands.get_with_last_run(command_id)
        return CommandView(command, None if run is None else self._runs.overlay(run))

    async def list(self, *, query: str, limit: int, cursor: str | None) -> Page[CommandView]:
        """Return commands whose name or description contains `query`, newest first."""
        page = await self._commands.list(query=query, limit=limit, cursor=cursor)
        return Page(
            [
                CommandView(command, None if run is None else self._runs.overlay(run))
                for command, run in page.items
            ],
            page.next,
        )

    async def replace(
        self, command_id: UUID, *, name: str, description: str | None, script: str
    ) -> CommandView:
        """Replace a command's fields; runs already started keep their script.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        await self._commands.replace(command_id, name, description, script)
        return await self.get(command_id)

    async def delete(self, command_id: UUID) -> None:
        """Delete a command with all its runs.

        Raises:
            CommandNotFoundError: there is no such command.
            CommandActiveError: it has an active run.
        """
        await self._commands.delete(command_id)
