"""Servers that decide due times, on a real PostgreSQL, by a clock of the test's own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from server.definition import NO_OPTIONS, NewRun, Options, StartAsked
from server.models import Command, Run, RunEnd, RunState
from server.notifications import Notification, NotificationFilter
from server.repositories.access.audit import AuditRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.fires import FireRepository
from server.repositories.notifications import NotificationRepository
from server.repositories.runs import RunRepository
from server.repositories.schedules import ScheduleRepository
from server.schedules import Fire, Schedule, ScheduleFields
from server.services.access.audit import Audit
from server.services.access.journal import Journal
from server.services.parameters import new_run
from server.services.schedules.firing import Firing
from server.services.schedules.schedules import ScheduleService
from tests.support.access import BY

START = datetime(2026, 11, 26, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that goes on when it is told to."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


class Starts:
    """Takes the runs that are stored, in the place of what starts them."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.runs: list[Run] = []

    def new_run(self, options: Options, asked: StartAsked) -> NewRun:
        """Return what is to be stored of a run."""
        return new_run(options, asked)

    async def admit(self, _: Command) -> None:
        """Let any number be active."""

    async def queue(self, run: Run) -> None:
        """Take a run."""
        self.runs.append(run)


class World:
    """Schedules with their database and clock."""

    def __init__(self, database: Database, path: Any) -> None:
        self.database = database
        self.clock = Clock()
        self.commands = CommandRepository(database)
        self.runs = RunRepository(database)
        self.schedules = ScheduleRepository(database)
        self.fires = FireRepository(database)
        self.notifications = NotificationRepository(database)
        self.woken = 0
        self.service = ScheduleService(
            self.schedules,
            self.fires,
            self.commands,
            Audit(AuditRepository(database), Journal(path)),
            on_change=lambda: None,
            clock=self.clock,
        )

    def server(self, host: str = "here") -> tuple[Firing, Starts]:
        """Be one more server."""
        starts = Starts(host)
        firing = Firing(
            commands=self.commands,
            schedules=self.schedules,
            fires=self.fires,
            starts=starts,  # type: ignore[arg-type]  # it takes what the Starts take
            on_told=self.wake,
            clock=self.clock,
        )
        return firing, starts

    def wake(self) -> None:
        """Note that there is something to be sent to targets."""
        self.woken += 1

    async def noted(self) -> list[Notification]:
        """Return who is to be told of what, the first first."""
        page = await self.notifications.list(NotificationFilter(), groups=None, limit=500)
        return [*reversed(page.items)]

    async def command(self, options: Options = NO_OPTIONS) -> Command:
        """Store a command."""
        return await self.commands.add("name", None, "true", options=options, by=BY)

    async def schedule(self, cron: str, command: Command | None = None, **fields: Any) -> Schedule:
        """Store a schedule."""
        command = command or await self.command()
        asked = ScheduleFields(cron=cron, **fields)
        return (await self.service.create(command.id, asked, by=BY)).schedule

    async def told(self, schedule: Schedule) -> Sequence[Fire]:
        """Return what came of its due times, the first first."""
        page = await self.service.fires(schedule.id, limit=500, cursor=None)
        return [*reversed(page.items)]

    async def end(self, *runs: Run) -> None:
        """End runs that are queued."""
        for run in runs:
            end = RunEnd(RunState.STOPPED, self.clock.now)
            assert await self.runs.finish_queued(run.id, end)

    async def pass_until(self, moment: datetime, *servers: Firing) -> None:
        """Let the clock go on from one due time to the next, and the servers decide."""
        while self.clock.now < moment:
            coming = await self.fires.coming(self.clock.now + timedelta(days=36500))
            later = moment if coming.first is None else min(coming.first, moment)
            self.clock.now = max(self.clock.now, later)
            await settle(*servers)


async def settle(*servers: Firing) -> None:
    """Have servers decide all that is due, at the same time."""

    async def one(firing: Firing) -> None:
        while await firing.step() == 0.0:
            pass

    await asyncio.gather(*map(one, servers))
