"""The parts that start commands by themselves, built in the order in which each needs the other."""

from collections.abc import Callable
from datetime import datetime, timedelta

from server.models import Command
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.fires import FireRepository
from server.repositories.notifications import NotificationRepository
from server.repositories.schedules import ScheduleRepository
from server.schedules import Schedule
from server.services.access.audit import Audit
from server.services.running.active import ActiveRuns
from server.services.running.runner import Runner
from server.services.schedules.firing import Firing
from server.services.schedules.lagging import Lag, Lagging, Occasion
from server.services.schedules.schedules import ScheduleService
from server.services.tasks import Tasks


class Scheduling:
    """What users ask of schedules, what starts their runs, and what looks after them.

    `on_told` is called after there is something to be sent to targets. What came of due times is
    kept for `kept_days`, None: for ever.
    """

    def __init__(
        self,
        database: Database,
        commands: CommandRepository,
        runner: Runner,
        active: ActiveRuns,
        audit: Audit,
        *,
        on_told: Callable[[], None],
        kept_days: float | None,
    ) -> None:
        schedules, fires = ScheduleRepository(database), FireRepository(database)
        self._notifications = NotificationRepository(database)
        self._on_told = on_told
        self.firing = Firing(
            host=runner.host,
            commands=commands,
            schedules=schedules,
            fires=fires,
            runner=runner,
            admit=active.admit,
            on_late=self._on_late,
        )
        kept = None if kept_days is None else timedelta(days=kept_days)
        self.lagging = Lagging(active, fires, self._tell, kept=kept)
        self.service = ScheduleService(
            schedules, fires, commands, audit, on_change=self.firing.wake
        )

    def start(self, tasks: Tasks) -> None:
        """Start runs, and look after them, until the tasks are cancelled."""
        tasks.start(self.firing.run(), "schedules")
        tasks.start(self.lagging.run(), "runs that lag")

    async def _tell(self, lag: Lag) -> None:
        """Have those targets told of it that the command names for such."""
        targets = [one.target for one in lag.options.notify if lag.occasion in one.on]
        if targets:
            await self._notifications.add(
                lag.command_id,
                lag.run_id,
                occasion=lag.occasion.value,
                targets=targets,
                details={"reason": lag.reason},
            )
            self._on_told()

    async def _on_late(self, schedule: Schedule, command: Command, due_at: datetime) -> None:
        await self._tell(
            Lag(
                occasion=Occasion.LATE,
                command_id=command.id,
                options=command.options,
                run_id=None,
                reason=f"schedule {schedule.id} was due at {due_at.isoformat()}, and no server"
                " could decide it in time",
            )
        )
