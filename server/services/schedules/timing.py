"""When a schedule that was made or changed is due: the same however it was written."""

from dataclasses import replace
from datetime import datetime

from server.schedules import Schedule
from server.services.schedules.cron import Cron
from server.services.schedules.decision import begin


def timed(schedule: Schedule, now: datetime, before: Schedule | None = None) -> Schedule:
    """Return a schedule with its due times from now on.

    Those of what it was before stay where it says nothing else of them: so a due time that has just
    come is not lost.

    Raises:
        CronError: its line is none.
        ZoneError: its time zone is not known.
    """
    if before is not None and _when(before) == _when(schedule):
        return schedule
    cron = Cron.of(schedule.cron, schedule.time_zone)
    return replace(schedule, next_times=begin(schedule, cron, now))


def _when(schedule: Schedule) -> tuple[str, str, bool]:
    return schedule.cron, schedule.time_zone, schedule.enabled
