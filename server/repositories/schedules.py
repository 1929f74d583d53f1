"""Schedules, and the pauses of commands."""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg2.errors import ForeignKeyViolation

from server.access import Act, Actor
from server.definition import Pause
from server.errors import (
    CommandNotFoundError,
    ConflictError,
    DatabaseRefusedError,
    ScheduleChangedError,
    ScheduleNotFoundError,
)
from server.models import CommandLabel
from server.repositories.access.audit import audit_parameters
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.page import Page, SortKey
from server.repositories.schedule_statements import (
    ADD,
    CHANGE,
    DELETE,
    GET,
    LIST,
    PAUSE,
    SECRETS,
)
from server.schedules import Missed, Overlap, Schedule, ScheduleFields

WIDTH = len(fields(Schedule))

MAX_SCHEDULES = 50
"""Of one command: each may start a run a second, and nobody is there to see it."""


@dataclass(frozen=True, slots=True)
class ListedSchedule:
    """A schedule with its command's label and pause, which may have ended."""

    schedule: Schedule
    command: CommandLabel
    paused: Pause | None


class ScheduleRepository:
    """The table `schedules`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: Schedule, secrets: Mapping[str, str], *, by: Actor) -> Schedule:
        """Store a schedule, with the values of secret parameters.

        Raises:
            CommandNotFoundError: there is no such command.
            ConflictError: it has MAX_SCHEDULES already.
        """
        about = {"schedule": str(new.id), "cron": new.cron, "time_zone": new.time_zone}
        parameters = {
            "id": new.id,
            "command_id": new.command_id,
            "most": MAX_SCHEDULES,
            **_parameters(new, secrets, new.created_at),
            **audit_parameters(Act.SCHEDULE_CREATE, by, at=new.created_at, details=about),
        }
        try:
            row = await self._database.fetch_one(ADD, parameters)
        except DatabaseRefusedError as error:
            if not isinstance(error.__cause__, ForeignKeyViolation):
                raise
            raise CommandNotFoundError.of(new.command_id) from error
        if row is None:
            raise ConflictError(
                f"The command has {MAX_SCHEDULES} schedules, and no more are had of one."
            )
        return schedule_of(row)

    async def get(self, schedule_id: UUID) -> Schedule:
        """Return a schedule.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
        """
        row = await self._database.fetch_one(GET, {"id": schedule_id})
        if row is None:
            raise ScheduleNotFoundError.of(schedule_id)
        return schedule_of(row)

    async def secrets(self, schedule_id: UUID) -> Mapping[str, str]:
        """Return the values of a schedule's secret parameters."""
        row = await self._database.fetch_one(SECRETS, {"id": schedule_id})
        return {} if row is None or row[0] is None else row[0]

    async def change(
        self,
        before: Schedule,
        after: Schedule,
        secrets: Mapping[str, str],
        *,
        now: datetime,
        by: Actor,
    ) -> Schedule:
        """Change a schedule, if it is as it was `before`.

        Raises:
            ScheduleChangedError: it is not; or it was deleted.
        """
        written = [one.name for one in fields(ScheduleFields)]
        changed = [name for name in written if getattr(after, name) != getattr(before, name)]
        about = {"schedule": str(before.id), "fields": changed}
        parameters = {
            "id": before.id,
            "version": before.updated_at,
            "decided_until": before.decided_until,
            **_parameters(after, secrets, now),
            **audit_parameters(Act.SCHEDULE_CHANGE, by, at=now, details=about),
        }
        row = await self._database.fetch_one(CHANGE, parameters)
        if row is None:
            raise ScheduleChangedError("The schedule was changed meanwhile. Look at it again.")
        return schedule_of(row)

    async def delete(self, schedule_id: UUID, *, by: Actor) -> Schedule:
        """Delete a schedule with what came of it, and return what it was; its runs stay.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
        """
        about = {"schedule": str(schedule_id)}
        parameters = {
            "id": schedule_id,
            **audit_parameters(Act.SCHEDULE_DELETE, by, details=about),
        }
        row = await self._database.fetch_one(DELETE, parameters)
        if row is None:
            raise ScheduleNotFoundError.of(schedule_id)
        return schedule_of(row)

    async def list(
        self,
        command_id: UUID | None = None,
        *,
        groups: AbstractSet[str] | None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[ListedSchedule]:
        """Return schedules of a command, or of all in some groups, None for every one.

        The newest come first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        parameters = {
            "command_id": command_id,
            "any_group": groups is None,
            "groups": sorted(groups or ()),
            "rows": limit + 1,
            **SortKey.parameters(cursor),
        }
        rows = await self._database.fetch_all(LIST, parameters)
        return Page.cut(
            [_listed_of(row) for row in rows],
            limit,
            lambda one: SortKey(one.schedule.created_at, one.schedule.id),
        )

    async def pause(self, command_id: UUID, pause: Pause | None, *, by: Actor) -> None:
        """Pause a command, or let it go on (None).

        Raises:
            CommandNotFoundError: there is no such command.
        """
        act = Act.COMMAND_RESUME if pause is None else Act.COMMAND_PAUSE
        about = {} if pause is None else {"note": pause.note, "until": pause.until}
        parameters = {
            "id": command_id,
            "paused": None if pause is None else json.dumps(pause.as_json()),
            **audit_parameters(act, by, details=about),
        }
        if await self._database.fetch_one(PAUSE, parameters) is None:
            raise CommandNotFoundError.of(command_id)


def schedule_of(row: Row) -> Schedule:
    """Return the schedule in a row of COLUMNS; what this version does not know is the default."""
    names = [one.name for one in fields(Schedule)]
    values: dict[str, Any] = dict(zip(names, row, strict=True))
    overlaps, misses = {one.value: one for one in Overlap}, {one.value: one for one in Missed}
    known = {
        "overlap": overlaps.get(values["overlap"], Overlap.SKIP),
        "missed": misses.get(values["missed"], Missed.SKIP),
        "next_times": tuple(values["next_times"]),
    }
    return Schedule(**values | known)


def _listed_of(row: Row) -> ListedSchedule:
    schedule = schedule_of(row[:WIDTH])
    name, group, paused = row[WIDTH:]
    label = CommandLabel(schedule.command_id, name, group)
    return ListedSchedule(schedule, label, Pause.of(paused))


def _parameters(schedule: Schedule, secrets: Mapping[str, str], now: datetime) -> dict[str, object]:
    return {
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
        "parameters": json.dumps(dict(schedule.parameters)),
        "secrets": json.dumps(dict(secrets)) if secrets else None,
        "enabled": schedule.enabled,
        "overlap": schedule.overlap.value,
        "missed": schedule.missed.value,
        "jitter_seconds": schedule.jitter_seconds,
        "next_times": list(schedule.next_times),
        "fire_at": schedule.fire_at,
        "now": now,
    }
