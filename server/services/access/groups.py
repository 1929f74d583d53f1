"""The groups of commands and runs, for whoever may not see every one."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol
from uuid import UUID

from server.services.access.remembered import Remembered


class GroupsStored(Protocol):
    """Where the groups are stored: a `GroupRepository`."""

    async def of_command(self, command_id: UUID) -> str:
        """Return the group of a command; raises CommandNotFoundError."""
        ...

    async def of_run(self, run_id: UUID) -> str:
        """Return the group of a run's command; raises RunNotFoundError."""
        ...

    async def of_schedule(self, schedule_id: UUID) -> str:
        """Return the group of a schedule's command; raises ScheduleNotFoundError."""
        ...

    async def of_hook(self, hook_id: UUID) -> str:
        """Return the group of a hook's command; raises HookNotFoundError."""
        ...

    async def of_commands(self, command_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the groups of those commands that there are."""
        ...


class Groups:
    """Tells the group of a command or a run; while the database is away, as it was of late.

    That is remembered for some seconds, as tokens are: who starts one command again and again costs
    no query. What is moved through this server is of its new group at once.
    """

    def __init__(
        self, stored: GroupsStored, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stored = stored
        self._commands = Remembered(stored.of_command, clock=clock)
        self._runs = Remembered(stored.of_run, clock=clock)
        self._schedules = Remembered(stored.of_schedule, clock=clock)
        self._hooks = Remembered(stored.of_hook, clock=clock)
        self._on_left: list[Callable[[], None]] = []

    def on_left(self, callback: Callable[[], None]) -> None:
        """Have a callback called whenever a command has left its group by this server."""
        self._on_left.append(callback)

    async def group_of_command(self, command_id: UUID) -> str:
        """Return the group of a command.

        Raises:
            CommandNotFoundError: there is no such command.
            DatabaseUnavailableError: the database is away, and it is not known of late.
        """
        return (await self._commands.get(command_id)).value

    async def group_of_run(self, run_id: UUID) -> str:
        """Return the group of a run, which is its command's.

        Raises:
            RunNotFoundError: there is no such run.
            DatabaseUnavailableError: the database is away, and it is not known of late.
        """
        return (await self._runs.get(run_id)).value

    async def group_of_schedule(self, schedule_id: UUID) -> str:
        """Return the group of a schedule, which is its command's.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
            DatabaseUnavailableError: the database is away, and it is not known of late.
        """
        return (await self._schedules.get(schedule_id)).value

    async def group_of_hook(self, hook_id: UUID) -> str:
        """Return the group of a hook, which is its command's.

        Raises:
            HookNotFoundError: there is no such hook.
            DatabaseUnavailableError: the database is away, and it is not known of late.
        """
        return (await self._hooks.get(hook_id)).value

    async def groups_of_commands(self, command_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the groups of commands, by their ids, of those that there are.

        Raises:
            DatabaseUnavailableError: the database is away.
        """
        return await self._stored.of_commands(command_ids)

    def forget(self, group: str) -> None:
        """Ask again what is known to be of a group: a command has left it."""
        for remembered in (self._commands, self._runs, self._schedules, self._hooks):
            remembered.forget_where(lambda known: known == group)
        for callback in self._on_left:
            callback()
