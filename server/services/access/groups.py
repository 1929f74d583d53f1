"""The groups of commands and runs, for whoever may not see every one."""

from collections.abc import Collection, Mapping
from uuid import UUID

from server.repositories.access.groups import GroupRepository


class Groups:
    """Tells the group of a command or a run."""

    def __init__(self, repository: GroupRepository) -> None:
        self._repository = repository

    async def group_of_command(self, command_id: UUID) -> str:
        """Return the group of a command.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        return await self._repository.of_command(command_id)

    async def group_of_run(self, run_id: UUID) -> str:
        """Return the group of a run, which is its command's.

        Raises:
            RunNotFoundError: there is no such run.
        """
        return await self._repository.of_run(run_id)

    async def groups_of_commands(self, command_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the groups of commands, by their ids, of those that there are."""
        return await self._repository.of_commands(command_ids)
