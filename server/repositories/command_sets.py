"""Sets of commands, with schedules and hooks: read by keys, and changed in one transaction."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from psycopg2.errors import UniqueViolation

from server.access import Actor
from server.command_parts import Parts, StoredHook, StoredSchedule
from server.command_set import Step
from server.errors import DatabaseRefusedError
from server.models import Command
from server.repositories.access.audit import bounded
from server.repositories.command_set_rows import Extras, command_row, hook_rows, schedule_rows
from server.repositories.command_set_statements import (
    APPLY,
    EXPORT,
    HOOKS,
    OF_KEYS,
    OTHERS,
    SCHEDULES,
    SIZE,
)
from server.repositories.database.database import Database
from server.repositories.hooks import hook_of
from server.repositories.rows import command_of
from server.repositories.schedules import schedule_of

APPLY_SECONDS = 600.0
"""For a set from which commands with any number of runs may be deleted."""


class Applied(NamedTuple):
    """Whether a set was applied: if others changed its commands meanwhile, or some are busy, not.

    `busy` are the keys of those that were to be deleted, and have active runs.
    """

    done: bool
    busy: tuple[str, ...]


class CommandSetRepository:
    """The table `commands`, many rows at a time, with `schedules` and `commands_hooks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def size(self, keys: Collection[str], parts_of: Collection[str]) -> int:
        """Return how many bytes are stored of the commands of these keys.

        Of some, `parts_of`, with their schedules and hooks.
        """
        parameters = {"keys": [*keys], "parts_of": [*parts_of]}
        [(size,)] = await self._database.fetch_all(SIZE, parameters)
        return int(size)

    async def of_keys(self, keys: Collection[str]) -> Mapping[str, Command]:
        """Return commands by their keys, of those that there are."""
        rows = await self._database.fetch_all(OF_KEYS, {"keys": [*keys]})
        return {str(found.key): found for found in map(command_of, rows)}

    async def others(self, keys: Collection[str], groups: AbstractSet[str]) -> Sequence[Command]:
        """Return the commands of some groups that have another key than these."""
        parameters = {"keys": [*keys], "groups": sorted(groups)}
        return [command_of(row) for row in await self._database.fetch_all(OTHERS, parameters)]

    async def page(
        self, groups: AbstractSet[str] | None, after: str, limit: int
    ) -> Sequence[Command]:
        """Return up to `limit` commands with keys behind one, whole, in their order.

        They are of some groups, None: of every one. There are fewer where their texts are large.
        """
        rows = await self._database.fetch_all(
            EXPORT,
            {
                "after": after,
                "every": groups is None,
                "groups": sorted(groups or ()),
                "rows": limit,
            },
        )
        return [command_of(row) for row in rows]

    async def parts(self, command_ids: Collection[UUID]) -> Mapping[UUID, Parts]:
        """Return the schedules and hooks of commands, by the commands' ids."""
        if not command_ids:
            return {}
        ids = {"ids": [*map(str, command_ids)]}
        schedules: dict[UUID, list[StoredSchedule]] = {}
        for *row, secrets in await self._database.fetch_all(SCHEDULES, ids):
            schedule = schedule_of(tuple(row))
            found = StoredSchedule(schedule, frozenset(secrets))
            schedules.setdefault(schedule.command_id, []).append(found)
        hooks: dict[UUID, list[StoredHook]] = {}
        for *row, version in await self._database.fetch_all(HOOKS, ids):
            hook = hook_of(tuple(row))
            hooks.setdefault(hook.command_id, []).append(StoredHook(hook, version))
        return {
            one: Parts(tuple(schedules.get(one, ())), tuple(hooks.get(one, ())))
            for one in schedules.keys() | hooks.keys()
        }

    async def apply(self, steps: Sequence[Step], extras: Extras, by: Actor) -> Applied:
        """Do all steps, with a row of the audit for each act, or nothing."""
        now = datetime.now(UTC)
        parameters = {
            "ids": [str(step.id) for step in steps if step.id is not None],
            "scheduled": [str(step.command_id) for step in steps if step.schedules],
            "hooked": [str(step.command_id) for step in steps if step.hooks],
            "given": json.dumps([command_row(step, by) for step in steps]),
            "schedules": _rows(schedule_rows(step, extras, by, now) for step in steps),
            "hooks": _rows(hook_rows(step, extras, by, now) for step in steps),
            "now": now,
            "principal": bounded(by.principal.name),
            "known_by": by.principal.known_by.value,
            "address": bounded(by.address),
        }
        try:
            [(is_held, busy)] = await self._database.fetch_all(
                APPLY, parameters, timeout_seconds=APPLY_SECONDS
            )
        except DatabaseRefusedError as error:
            if isinstance(error.__cause__, UniqueViolation):  # another has one of the keys by now
                return Applied(done=False, busy=())
            raise
        return Applied(done=bool(is_held) and not busy, busy=tuple(busy))


def _rows(of_steps: Iterator[Iterator[Mapping[str, object]]]) -> str:
    return json.dumps([row for rows in of_steps for row in rows])
