"""Which group a command or a run is of."""

from collections.abc import Collection
from uuid import UUID

from server.errors import (
    CommandNotFoundError,
    HookNotFoundError,
    RunNotFoundError,
    ScheduleNotFoundError,
)
from server.repositories.database.database import Database

OF_COMMANDS = "SELECT id, group_name FROM commands WHERE id = ANY(%(ids)s::uuid[])"

OF_RUN = """
    SELECT c.group_name FROM commands_info r JOIN commands c ON c.id = r.commands_id
    WHERE r.id = %(id)s
"""

OF_HOOK = """
    SELECT c.group_name FROM commands_hooks h JOIN commands c ON c.id = h.commands_id
    WHERE h.id = %(id)s
"""


OF_SCHEDULE = """
    SELECT c.group_name FROM schedules s JOIN commands c ON c.id = s.commands_id
    WHERE s.id = %(id)s
"""


class GroupRepository:
    """The groups in the table `commands`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_commands(self, command_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the groups of commands, by their ids, of those that there are."""
        if not command_ids:
            return {}
        return dict(await self._database.fetch_all(OF_COMMANDS, {"ids": list(command_ids)}))

    async def of_command(self, command_id: UUID) -> str:
        """Return the group of a command.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        found = await self.of_commands([command_id])
        if command_id not in found:
            raise CommandNotFoundError.of(command_id)
        return found[command_id]

    async def of_run(self, run_id: UUID) -> str:
        """Return the group of a run's command.

        Raises:
            RunNotFoundError: there is no such run.
        """
        row = await self._database.fetch_one(OF_RUN, {"id": run_id})
        if row is None:
            raise RunNotFoundError.of(run_id)
        group: str = row[0]
        return group

    async def of_schedule(self, schedule_id: UUID) -> str:
        """Return the group of a schedule's command.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
        """
        row = await self._database.fetch_one(OF_SCHEDULE, {"id": schedule_id})
        if row is None:
            raise ScheduleNotFoundError.of(schedule_id)
        group: str = row[0]
        return group

    async def of_hook(self, hook_id: UUID) -> str:
        """Return the group of a hook's command.

        Raises:
            HookNotFoundError: there is no such hook.
        """
        row = await self._database.fetch_one(OF_HOOK, {"id": hook_id})
        if row is None:
            raise HookNotFoundError.of(hook_id)
        group: str = row[0]
        return group
