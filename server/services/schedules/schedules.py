"""Schedules as users see them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, islice, takewhile
from typing import Any
from uuid import UUID, uuid4

from server.access import Act, Actor
from server.definition import Pause
from server.errors import ScheduleChangedError
from server.models import Command, CommandLabel
from server.repositories.commands import CommandRepository
from server.repositories.fires import FireRepository
from server.repositories.page import Page
from server.repositories.schedules import ListedSchedule, ScheduleRepository
from server.schedules import Fire, Schedule, ScheduleFields
from server.services.access.audit import Audit
from server.services.parameters import checked
from server.services.schedules.cron import Cron, CronError, ZoneError
from server.services.schedules.decision import NEXT_TIMES
from server.services.schedules.timing import timed
from server.services.schedules.warnings import ScheduleWarning, warnings_of

TRIES = 5
"""So often a change is tried while due times of the schedule are decided."""

TIMES = 200
"""Due times of a schedule that are told up to a moment, at most."""


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule with its command's label, and its pause while that holds.

    `times` are the due times up to the moment that was asked for, TIMES at most; `more`: there are
    further ones up to then.
    """

    schedule: Schedule
    command: CommandLabel
    paused: Pause | None
    next_times: Sequence[datetime]
    words: str
    times: Sequence[datetime] | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a cron line means: its due times to come, in the time zone, words, and warnings."""

    next_times: Sequence[datetime]
    words: str
    warnings: Sequence[ScheduleWarning]


class ScheduleService:
    """What users ask of schedules; `on_change` is called after each change."""

    def __init__(
        self,
        schedules: ScheduleRepository,
        fires: FireRepository,
        commands: CommandRepository,
        audit: Audit,
        *,
        on_change: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._schedules = schedules
        self._fires = fires
        self._commands = commands
        self._audit = audit
        self._on_change = on_change
        self._clock = clock

    async def list(
        self,
        command_id: UUID | None = None,
        *,
        groups: AbstractSet[str] | None,
        until: datetime | None = None,
        limit: int,
        cursor: str | None,
    ) -> Page[ScheduleView]:
        """Return schedules of a command, or of all in some groups, None for every one.

        The newest come first. With `until`, each has its due times up to then.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        if command_id is not None:
            await self._commands.get(command_id)
        page = await self._schedules.list(command_id, groups=groups, limit=limit, cursor=cursor)
        now = self._clock()
        views = []
        for one in page.items:
            views.append(_view(one, now, until))
            await asyncio.sleep(0)  # hundreds with their times take a second: others have a turn
        return Page(views, page.next)

    async def create(self, command_id: UUID, asked: ScheduleFields, *, by: Actor) -> ScheduleView:
        """Store a schedule of a command.

        Raises:
            CommandNotFoundError: there is no such command.
            ConflictError: it has as many as one may have.
            ParametersError: the command does not take the parameters.
        """
        with self._audit.trying(Act.SCHEDULE_CREATE, by, command_id=command_id):
            command = await self._commands.get(command_id)
            checked(command.options.parameters, asked.parameters, command.options.environment)
            now = self._clock()
            shown, secrets = _parted(command, asked.parameters, {})
            new = Schedule(
                id=uuid4(),
                command_id=command_id,
                created_at=now,
                updated_at=now,
                **_fields(asked) | {"parameters": shown},
            )
            schedule = await self._schedules.add(timed(new, now), secrets, by=by)
        return self._told(schedule, command)

    async def get(self, schedule_id: UUID) -> ScheduleView:
        """Return a schedule.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
        """
        schedule = await self._schedules.get(schedule_id)
        return _seen(schedule, await self._commands.get(schedule.command_id), self._clock())

    async def change(
        self,
        schedule_id: UUID,
        change: Mapping[str, Any],
        *,
        by: Actor,
        versions: Sequence[datetime] | None = None,
    ) -> ScheduleView:
        """Change the fields of a schedule that are named, if it is of one of these versions.

        Values of secret parameters that are not named stay.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
            ScheduleChangedError: it is of another version (`updated_at`).
            ParametersError: the command does not take the parameters.
        """
        schedule = await self._schedules.get(schedule_id)
        with self._audit.trying(Act.SCHEDULE_CHANGE, by, command_id=schedule.command_id):
            command = await self._commands.get(schedule.command_id)
            for tries_left in reversed(range(TRIES)):
                if versions is not None and schedule.updated_at not in versions:
                    raise ScheduleChangedError(
                        "The schedule was changed meanwhile. Look at it again."
                    )
                try:
                    return self._told(await self._change(schedule, command, change, by), command)
                except ScheduleChangedError:
                    if not tries_left:
                        raise
                schedule = await self._schedules.get(schedule_id)
        raise AssertionError("the last try returns or raises")

    async def _change(
        self, before: Schedule, command: Command, change: Mapping[str, Any], by: Actor
    ) -> Schedule:
        secrets = await self._schedules.secrets(before.id)
        values = change.get("parameters", before.parameters)
        shown, secrets = _parted(command, values, secrets)
        after = replace(before, **dict(change) | {"parameters": shown})
        if "parameters" in change or after.enabled:
            options = command.options
            checked(options.parameters, {**shown, **secrets}, options.environment)
        now = self._clock()
        after = timed(after, now, before)
        return await self._schedules.change(before, after, secrets, now=now, by=by)

    async def delete(self, schedule_id: UUID, *, by: Actor) -> UUID:
        """Delete a schedule, and return its command; its runs stay.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
        """
        with self._audit.trying(Act.SCHEDULE_DELETE, by):
            return (await self._schedules.delete(schedule_id, by=by)).command_id

    async def fires(self, schedule_id: UUID, *, limit: int, cursor: str | None) -> Page[Fire]:
        """Return what came of a schedule's due times, the last first.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
        """
        await self._schedules.get(schedule_id)
        return await self._fires.list(schedule_id, limit=limit, cursor=cursor)

    async def fire_at(self, schedule_id: UUID, moment: datetime) -> Page[Fire]:
        """Return what is nearest to a moment of what came of a schedule's due times.

        Raises:
            ScheduleNotFoundError: there is no such schedule.
        """
        await self._schedules.get(schedule_id)
        found = await self._fires.at(schedule_id, moment)
        return Page([] if found is None else [found], None)

    async def pause(
        self, command_id: UUID, note: str | None, until: datetime | None, *, by: Actor
    ) -> None:
        """Have a command's schedules start nothing, until a moment or until it is resumed.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        pause = Pause(note=note, until=until, by=by.principal.name, at=self._clock())
        with self._audit.trying(Act.COMMAND_PAUSE, by, command_id=command_id):
            await self._schedules.pause(command_id, pause, by=by)

    async def resume(self, command_id: UUID, *, by: Actor) -> None:
        """Let a command's schedules start runs again.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        with self._audit.trying(Act.COMMAND_RESUME, by, command_id=command_id):
            await self._schedules.pause(command_id, None, by=by)
        self._on_change()

    def preview(self, cron: str, time_zone: str) -> Preview:
        """Return what a cron line means in a time zone.

        Raises:
            CronError: the line is none.
            ZoneError: the time zone is not known.
        """
        read, now = Cron.of(cron, time_zone), self._clock()
        times = [time.astimezone(read.zone) for time in read.upcoming(now, NEXT_TIMES)]
        return Preview(times, read.words, warnings_of(read, now))

    def _told(self, schedule: Schedule, command: Command) -> ScheduleView:
        self._on_change()
        return _seen(schedule, command, self._clock())


def _fields(written: Schedule | ScheduleFields) -> dict[str, Any]:
    """Return what a user writes of a schedule."""
    names = ScheduleFields.__dataclass_fields__
    return {name: getattr(written, name) for name in names}


def _parted(
    command: Command, values: Mapping[str, Any], kept: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values that are shown, and those of secrets, with those that are kept."""
    secret = command.options.secrets
    given = {name: value for name, value in values.items() if value is not None}
    secrets = {name: value for name, value in kept.items() if name in secret}
    secrets |= {name: value for name, value in given.items() if name in secret}
    return {name: value for name, value in given.items() if name not in secret}, secrets


def _seen(schedule: Schedule, command: Command, now: datetime) -> ScheduleView:
    label = CommandLabel(command.id, command.name, command.group)
    return _view(ListedSchedule(schedule, label, command.paused), now)


def _view(listed: ListedSchedule, now: datetime, until: datetime | None = None) -> ScheduleView:
    """View a schedule, with its due times up to a moment if one is asked for."""
    schedule, pause = listed.schedule, listed.paused
    view = ScheduleView(
        schedule,
        listed.command,
        pause if pause is not None and pause.holds(now) else None,
        schedule.next_times,
        schedule.cron,
    )
    try:
        cron = Cron.of(schedule.cron, schedule.time_zone)
    except (CronError, ZoneError):  # another server, or version, stored it
        return view
    local = [time.astimezone(cron.zone) for time in schedule.next_times]
    view = replace(view, next_times=local, words=cron.words)
    if until is None:
        return view
    found = _up_to(schedule, cron, until)
    return replace(view, times=found[:TIMES], more=len(found) > TIMES)


def _up_to(schedule: Schedule, cron: Cron, until: datetime) -> list[datetime]:
    """Return the due times up to a moment, one more than TIMES at most, in the time zone."""
    known = schedule.next_times
    further = cron.times(known[-1]) if known and known[-1] <= until else iter(())
    times = takewhile(lambda time: time <= until, chain(known, further))
    return [time.astimezone(cron.zone) for time in islice(times, TIMES + 1)]
