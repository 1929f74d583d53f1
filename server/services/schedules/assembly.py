"""The parts that start commands by themselves, built in the order in which each needs the other."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from server.models import Run
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.fires import FireRepository
from server.repositories.notifications import NotificationRepository
from server.repositories.schedules import ScheduleRepository
from server.services.access.audit import Audit
from server.services.running.active import ActiveRuns
from server.services.schedules.firing import Firing
from server.services.schedules.lagging import Lagging
from server.services.schedules.schedules import ScheduleService
from server.services.starting.starts import Starts
from server.services.tasks import Tasks


class Scheduling:
    """What users ask of schedules, what starts their runs, and what looks after them.

    `on_told` is called after there is something to be sent to targets. What came of due times is
    kept for `kept_days`, None: for ever. `others`: see Lagging.
    """

    def __init__(
        self,
        database: Database,
        commands: CommandRepository,
        starts: Starts,
        active: ActiveRuns,
        audit: Audit,
        *,
        on_told: Callable[[], None],
        kept_days: float | None,
        others: Callable[[], Awaitable[Sequence[Run]]] | None,
    ) -> None:
        schedules, fires = ScheduleRepository(database), FireRepository(database)
        self.firing = Firing(
            commands=commands,
            schedules=schedules,
            fires=fires,
            starts=starts,
            on_told=on_told,
        )
        kept = None if kept_days is None else timedelta(days=kept_days)
        notifications = NotificationRepository(database)
        self.lagging = Lagging(
            active, fires, notifications, on_told=on_told, kept=kept, others=others
        )
        self.service = ScheduleService(
            schedules, fires, commands, audit, on_change=self.firing.wake
        )

    def start(self, tasks: Tasks) -> None:
        """Start runs, and look after them, until the tasks are cancelled."""
        tasks.start(self.firing.run(), "schedules")
        tasks.start(self.lagging.run(), "runs that lag")
