"""What the writer of a schedule might not expect: hours that are skipped or come twice. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cronsim import CronSim

from server.services.schedules.cron import Cron

AHEAD = timedelta(days=370)
"""So far changes of the clock are looked for."""

RARE = timedelta(days=366)


class WarningKind(StrEnum):
    """What is to be expected."""

    SKIPPED = "skipped"  # the clock is set forward over times that the line names
    REPEATED = "repeated"  # the clock is set back: times that the line names come twice
    RARE = "rare"  # the next due time is more than a year ahead


class Effect(StrEnum):
    """What becomes of due times at a change of the clock."""

    AFTER = "after"  # right after the hours that are skipped
    NONE = "none"  # there are none on that day
    FIRST = "first"  # the first time alone
    TWICE = "twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleWarning:
    """What is to be expected of a line; `begin` and `end` are local times of the change, if any."""

    kind: WarningKind
    text: str
    begin: datetime | None = None
    end: datetime | None = None
    effect: Effect | None = None


def warnings_of(cron: Cron, now: datetime) -> list[ScheduleWarning]:
    """Return what is to be expected of a line in the year to come, each kind once."""
    found: dict[WarningKind, ScheduleWarning] = {}
    for moment in _changes(cron, now):
        warning = _at_change(cron, moment)
        if warning is not None:
            found.setdefault(warning.kind, warning)
    first = cron.after(now)
    if first is not None and first - now > RARE:
        text = f"It is due for the first time on {first.astimezone(cron.zone):%Y-%m-%d}."
        found[WarningKind.RARE] = ScheduleWarning(kind=WarningKind.RARE, text=text)
    return [*found.values()]


def _changes(cron: Cron, now: datetime) -> Iterator[datetime]:
    """Iterate over the moments of the year to come at which the zone's offset changes."""

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(cron.zone).utcoffset()

    start = now.replace(microsecond=0)
    for day in range(AHEAD.days):
        low = start + timedelta(days=day)
        high = low + timedelta(days=1)
        if offset(low) == offset(high):
            continue
        while high - low > timedelta(seconds=1):
            middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        yield high


def _at_change(cron: Cron, moment: datetime) -> ScheduleWarning | None:
    """Return what becomes of the due times where the clock changes; None: nothing unusual."""
    second = timedelta(seconds=1)
    before = _shown(cron, moment - second) + second
    after = _shown(cron, moment)
    skipped = before < after
    begin, end = sorted([before, after])
    if cron.is_in_every_hour or not _names(cron, begin, end):
        return None
    hours = f"{begin:%H:%M} to {end:%H:%M}"
    if skipped:
        effect = Effect.AFTER if cron.is_at_times_of_day else Effect.NONE
        becomes = f"it runs at {end:%H:%M} instead" if effect is Effect.AFTER else "it does not run"
        text = f"On {begin:%Y-%m-%d} the clock skips {hours}: {becomes}."
        kind = WarningKind.SKIPPED
    else:
        effect = Effect.FIRST if cron.is_at_times_of_day else Effect.TWICE
        becomes = "it runs the first time alone" if effect is Effect.FIRST else "it runs both times"
        text = f"On {begin:%Y-%m-%d} the hours {hours} come twice: {becomes}."
        kind = WarningKind.REPEATED
    return ScheduleWarning(kind=kind, text=text, begin=begin, end=end, effect=effect)


def _shown(cron: Cron, moment: datetime) -> datetime:
    """Return what clocks of the zone show."""
    return moment.astimezone(cron.zone).replace(tzinfo=None, fold=0)


def _names(cron: Cron, begin: datetime, end: datetime) -> bool:
    """Return whether a line names a time of day from a local moment on and before another."""
    found = next(CronSim(cron.line, begin - timedelta(seconds=1)), None)
    return found is not None and found < end
