"""Due times of schedules: whose they are, and what came of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid4

from server.access import Act, Actor
from server.definition import PLAIN_RUN, Beyond, NewRun
from server.errors import InvalidCursorError
from server.models import Command, Run
from server.notifications import Telling
from server.repositories.access.audit import audit_parameters
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.notifications import telling_parameters
from server.repositories.page import Page, SortKey
from server.repositories.rows import run_of
from server.repositories.run_statements import HOLD, new_run_parameters
from server.repositories.schedule_statements import (
    ACTIVE,
    AHEAD,
    COMING,
    DUE,
    FIRE,
    FIRE_AT,
    FIRES,
    LOCK,
    MARK,
    PRUNE,
    RESET,
    SETTLE,
    USUAL,
    WAITING,
)
from server.repositories.schedules import schedule_of
from server.schedules import Fire, FireOutcome, Schedule

ROWS = 50
"""Schedules that are read at a time, at most."""


NO_ROOM = "as many of the command's runs go on as it lets go on at a time (concurrency)"
"""Why a run is not started that may not wait for its turn."""


class Mark(StrEnum):
    """What is noted once of a due time: that it, or its run, is late; that its run takes long."""

    LATE = "late_at"
    LONG = "long_at"


class Active(NamedTuple):
    """What of a schedule goes on: its newest run that has not ended, and how many wait for it."""

    run_id: UUID | None
    waiting: int


class Coming(NamedTuple):
    """When the first due time comes, None: there is none; and what else there is to be decided."""

    first: datetime | None
    any_waiting: bool
    any_ahead: bool


class Usual(NamedTuple):
    """How long the last runs of a command took that succeeded: the longest of so many."""

    longest_seconds: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is stored of a due time; `run` is started if there is one, as `by`."""

    command: Command
    outcome: FireOutcome
    reason: str | None
    host: str
    now: datetime
    by: Actor
    run: NewRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How a schedule goes on: past so many due times, to those after them.

    `told` is who is told of it: it was late.
    """

    due_at: datetime
    last_due_at: datetime
    count: int
    late: bool
    next_times: Sequence[datetime]
    fire_at: datetime | None
    told: Telling | None = None


class FireRepository:
    """The table `schedules_fires`, and how far the schedules have come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def coming(self, ahead: datetime) -> Coming:
        """Return what comes next; a schedule that is decided beyond `ahead` counts as such."""
        [row] = await self._database.fetch_all(COMING, {"ahead": ahead})
        return Coming(*row)

    async def due(self, now: datetime, leave: Collection[UUID]) -> Sequence[Schedule]:
        """Return schedules whose due time has come but for these, the first of them first."""
        parameters = {"now": now, "except": list(leave), "rows": ROWS}
        return [schedule_of(row) for row in await self._database.fetch_all(DUE, parameters)]

    async def ahead(self, moment: datetime, leave: Collection[UUID]) -> Sequence[Schedule]:
        """Return schedules that are decided beyond a moment, but for these."""
        parameters = {"ahead": moment, "except": list(leave), "rows": ROWS}
        return [schedule_of(row) for row in await self._database.fetch_all(AHEAD, parameters)]

    async def reset(
        self, schedule: Schedule, next_times: Sequence[datetime], fire_at: datetime | None
    ) -> bool:
        """Have a schedule go on by a clock that was set back; False: it has changed meanwhile."""
        parameters = {
            "id": schedule.id,
            "version": schedule.updated_at,
            "decided_until": schedule.decided_until,
            "next_times": list(next_times),
            "fire_at": fire_at,
        }
        return await self._database.fetch_one(RESET, parameters) is not None

    async def active(self, schedule: Schedule) -> Active:
        """Return what of a schedule goes on."""
        parameters = {"id": schedule.id, "command_id": schedule.command_id}
        [row] = await self._database.fetch_all(ACTIVE, parameters)
        return Active(*row)

    async def fire(
        self, schedule: Schedule, step: Step, outcome: Outcome
    ) -> tuple[bool, Run | None]:
        """Move a schedule on, with what came of its due time, and the run if one is started.

        Returns whether it was ours to decide, as schedule and command are as they were, and the
        run, queued.
        """
        parameters = {
            **_parameters(schedule.id, outcome),
            "schedule_version": schedule.updated_at,
            "due_at": step.due_at,
            "last_due_at": step.last_due_at,
            "count": step.count,
            "late": step.late,
            "next_times": list(step.next_times),
            "fire_at": step.fire_at,
            **telling_parameters(step.told),
        }
        return await self._decide(FIRE, parameters, outcome)

    async def waiting(self, leave: Collection[UUID]) -> Sequence[Fire]:
        """Return the first due time that waits of each schedule that has no active run."""
        parameters = {"except": list(leave), "rows": ROWS}
        return [_fire_of(row) for row in await self._database.fetch_all(WAITING, parameters)]

    async def settle(self, fire: Fire, outcome: Outcome) -> tuple[bool, Run | None]:
        """Store what came of a due time that waited, and the run if one is started.

        Returns whether it was ours to decide, and the run, queued.
        """
        parameters = {**_parameters(fire.schedule_id, outcome), "due_at": fire.due_at}
        return await self._decide(SETTLE, parameters, outcome)

    async def _decide(
        self, sql: str, parameters: Mapping[str, object], outcome: Outcome
    ) -> tuple[bool, Run | None]:
        lock = LOCK if outcome.command.options.concurrency is None else HOLD
        [row] = await self._database.fetch_all(f"{lock}; {sql}", parameters)
        return _decided(row)

    async def list(self, schedule_id: UUID, *, limit: int, cursor: str | None = None) -> Page[Fire]:
        """Return what came of a schedule's due times, the last first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        before = None if cursor is None else SortKey.decode(cursor)
        if before is not None and before.id != schedule_id:
            raise InvalidCursorError("The cursor is of another list.")
        parameters = {
            "id": schedule_id,
            "before": None if before is None else before.created_at,
            "rows": limit + 1,
        }
        rows = await self._database.fetch_all(FIRES, parameters)
        return Page.cut(
            [_fire_of(row) for row in rows], limit, lambda one: SortKey(one.due_at, schedule_id)
        )

    async def at(self, schedule_id: UUID, moment: datetime) -> Fire | None:
        """Return what is nearest to a moment of what came of a schedule's due times."""
        row = await self._database.fetch_one(FIRE_AT, {"id": schedule_id, "at": moment})
        return None if row is None else _fire_of(row)

    async def mark(
        self, mark: Mark, schedule_id: UUID, due_at: datetime, now: datetime, telling: Telling
    ) -> int:
        """Mark a due time, and note who is to be told of that; return how many are.

        Nobody is where it was marked before, or the row is gone.
        """
        parameters = {
            "schedule_id": schedule_id,
            "due_at": due_at,
            "now": now,
            **telling_parameters(telling),
        }
        sql = f"{LOCK}; {MARK.format(column=mark.value)}"
        [(count,)] = await self._database.fetch_all(
            sql, parameters | {"command_id": telling.command_id}
        )
        return int(count)

    async def usual(self, command_ids: Collection[UUID], runs: int) -> dict[UUID, Usual]:
        """Return how long the last runs of commands took, of those that have any."""
        parameters = {"commands": list(command_ids), "runs": runs}
        rows = await self._database.fetch_all(USUAL, parameters)
        return {row[0]: Usual(*row[1:]) for row in rows}

    async def prune(self, now: datetime, kept: timedelta, limit: int) -> int:
        """Forget what was decided too long ago, so much of it at most; return how much it was."""
        parameters = {"before": now - kept, "rows": limit}
        [(count,)] = await self._database.fetch_all(PRUNE, parameters)
        return int(count)


def _parameters(schedule_id: UUID, outcome: Outcome) -> dict[str, object]:
    command, new = outcome.command, outcome.run
    concurrency = command.options.concurrency
    return {
        "schedule_id": schedule_id,
        "command_id": command.id,
        "commands": [command.id],
        "may_wait": concurrency is None or concurrency.beyond is not Beyond.REFUSE,
        "no_room": NO_ROOM,
        "command_version": command.updated_at,
        "is_paused": command.paused is not None and command.paused.holds(outcome.now),
        "outcome": outcome.outcome.value,
        "reason": outcome.reason,
        "host": outcome.host,
        "now": outcome.now,
        "starts": new is not None,
        "run_id": uuid4(),
        "script": command.script,
        "run_as": command.run_as,
        **new_run_parameters(new or PLAIN_RUN),
        **audit_parameters(
            Act.COMMAND_START,
            outcome.by,
            at=outcome.now,
            details={} if command.run_as is None else {"run_as": command.run_as},
        ),
    }


def _decided(row: Row) -> tuple[bool, Run | None]:
    ours, *run = row
    return bool(ours), None if run[0] is None else run_of(tuple(run))


def _fire_of(row: Row) -> Fire:
    values = dict(zip([one.name for one in fields(Fire)], row, strict=True))
    return Fire(**values | {"outcome": FireOutcome.of(values["outcome"])})
