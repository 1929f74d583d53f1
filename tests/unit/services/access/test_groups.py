"""Which group a thing is of, also while the database is away."""

from collections.abc import Collection, Mapping
from uuid import UUID, uuid4

import pytest

from server.errors import CommandNotFoundError, DatabaseUnavailableError, RunNotFoundError
from server.services.access.groups import Groups
from server.services.access.remembered import FRESH_SECONDS, OUTAGE_SECONDS

COMMAND, RUN = uuid4(), uuid4()


class Stored:
    """The groups of things, in a database that may be away."""

    def __init__(self) -> None:
        self.groups: dict[UUID, str] = {COMMAND: "web", RUN: "web"}
        self.away = False
        self.asked = 0

    async def of_command(self, command_id: UUID) -> str:
        self._ask()
        if command_id not in self.groups:
            raise CommandNotFoundError.of(command_id)
        return self.groups[command_id]

    async def of_hook(self, hook_id: UUID) -> str:
        raise NotImplementedError

    async def of_run(self, run_id: UUID) -> str:
        self._ask()
        if run_id not in self.groups:
            raise RunNotFoundError.of(run_id)
        return self.groups[run_id]

    async def of_schedule(self, schedule_id: UUID) -> str:
        self._ask()
        return self.groups[schedule_id]

    async def of_commands(self, command_ids: Collection[UUID]) -> Mapping[UUID, str]:
        self._ask()
        return {one: self.groups[one] for one in command_ids}

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise DatabaseUnavailableError("away")


class Site:
    """Groups with a clock of the test's own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stored = Stored()
        self.groups = Groups(self.stored, clock=lambda: self.now)

    async def both(self) -> tuple[str, str]:
        command = await self.groups.group_of_command(COMMAND)
        return command, await self.groups.group_of_run(RUN)


async def test_a_thing_that_was_moved_is_of_its_new_group_at_once() -> None:
    site = Site()
    assert await site.both() == ("web", "web")
    site.stored.groups = {COMMAND: "mail", RUN: "mail"}
    assert await site.groups.groups_of_commands([COMMAND]) == {COMMAND: "mail"}
    site.groups.forget("web")
    assert await site.both() == ("mail", "mail")


async def test_what_another_server_has_moved_is_known_some_seconds_later() -> None:
    site = Site()
    await site.both()
    asked = site.stored.asked
    site.stored.groups = {COMMAND: "mail", RUN: "mail"}
    site.now = FRESH_SECONDS - 0.1
    assert await site.both() == ("web", "web")
    assert site.stored.asked == asked
    site.now = FRESH_SECONDS
    assert await site.both() == ("mail", "mail")
    site.stored.groups = {}
    site.now = 2 * FRESH_SECONDS
    with pytest.raises(CommandNotFoundError):
        await site.groups.group_of_command(COMMAND)
    with pytest.raises(RunNotFoundError):
        await site.groups.group_of_run(RUN)


async def test_while_the_database_is_away_what_was_known_of_late_holds() -> None:
    site = Site()
    await site.both()
    site.stored.away = True
    site.now = OUTAGE_SECONDS - 1
    assert await site.both() == ("web", "web")
    site.now = OUTAGE_SECONDS + 1
    for late in [site.groups.group_of_command(COMMAND), site.groups.group_of_run(RUN)]:
        with pytest.raises(DatabaseUnavailableError):
            await late
    with pytest.raises(DatabaseUnavailableError):
        await site.groups.group_of_run(uuid4())
    with pytest.raises(DatabaseUnavailableError):
        await site.groups.groups_of_commands([COMMAND])


async def test_what_has_left_a_group_is_not_known_to_be_of_it() -> None:
    site = Site()
    await site.both()
    site.groups.forget("mail")
    site.stored.away = True
    assert await site.both() == ("web", "web")
    site.groups.forget("web")
    for unknown in [site.groups.group_of_command(COMMAND), site.groups.group_of_run(RUN)]:
        with pytest.raises(DatabaseUnavailableError):
            await unknown
