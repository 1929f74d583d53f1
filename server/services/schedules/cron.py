"""Cron lines: read, and turned into due times, as Debian's cron does at changes of the clock. Pure.

Five fields, or six with the seconds first (https://github.com/cuu508/cronsim). All moments that
come in and go out are in UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

LINE_CHARACTERS = 200
"""Of a line, at most."""

COUNTED = 1000
"""So many due times are counted, at most: a line may name each second, and a server be away."""

WINDOWS = [
    timedelta(seconds=seconds) for seconds in (10, 300, 3600, 86400, 40 * 86400, 400 * 86400)
]
"""In these stretches before a moment the last due time is looked for, one after the other."""

TAKEN = {
    "second": "0 to 59",
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, L for the last day, LW for the last weekday",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 to 7 (0 and 7 are Sunday), or SUN to SAT, MON#1 for the first Monday, 5L for"
    " the last Friday",
}
"""The fields, in their order, with what they take."""

NEVER = "It would never fire: no day of the next 50 years is of all that it names."


class CronError(ValueError):
    """The line is none, or would never fire; the message says what is wrong, for its writer."""


class ZoneError(ValueError):
    """The time zone is not known."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line in a time zone."""

    line: str
    zone: ZoneInfo

    @classmethod
    def of(cls, line: str, time_zone: str) -> "Cron":
        """Read a line.

        Raises:
            CronError: it is none; it names the field.
            ZoneError: the time zone is not known.
        """
        check_line(line)
        return cls(line, zone_of(time_zone))

    def after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment; None: there is none in 50 years."""
        return next(self.times(moment), None)

    def times(self, moment: datetime) -> Iterator[datetime]:
        """Iterate over the due times after a moment."""
        # Where an hour comes twice, the simulation of times of day begins with the first, although
        # the moment may be in the second.
        found = (time.astimezone(UTC) for time in CronSim(self.line, moment.astimezone(self.zone)))
        return (time for time in found if time > moment)

    def upcoming(self, moment: datetime, count: int) -> tuple[datetime, ...]:
        """Return the first due times after a moment, so many at most."""
        return tuple(islice(self.times(moment), count))

    def latest(self, since: datetime, until: datetime) -> datetime:
        """Return the last due time up to a moment; `since` is one."""
        for window in WINDOWS:
            if (start := until - window) <= since:
                break
            if (found := self._last(start, until)) is not None:
                return found
        return self._last(since, until) or since

    def count(self, since: datetime, until: datetime) -> int:
        """Return how many due times there are after a moment and up to another, COUNTED at most."""
        times = islice(self.times(since), COUNTED)
        return sum(1 for _ in _until(times, until))

    def _last(self, since: datetime, until: datetime) -> datetime | None:
        found = None
        for found in _until(self.times(since), until):  # noqa: B007  the last one counts
            pass
        return found

    @property
    def words(self) -> str:
        """The line in English words."""
        return CronSim(self.line, datetime(2000, 1, 1, tzinfo=UTC)).explain()

    @property
    def is_at_times_of_day(self) -> bool:
        """Whether it names times of day: Debian's cron moves these where the clock changes."""
        fields = self.line.split()
        return len(fields) == 5 and not fields[0].startswith("*") and not fields[1].startswith("*")

    @property
    def is_in_every_hour(self) -> bool:
        """Whether it names all hours."""
        return self.line.split()[-4] == "*"


def normal(line: str) -> str:
    """Return a line with single blanks."""
    return " ".join(line.split())


def check_line(line: str) -> None:
    """Refuse what is no cron line, and one that would never fire.

    Raises:
        CronError: it names the field.
    """
    if len(line) > LINE_CHARACTERS:
        raise CronError(f"It has more than {LINE_CHARACTERS} characters.")
    start = datetime(2000, 1, 1, tzinfo=UTC)
    try:
        times = CronSim(line, start)
    except CronSimError as error:
        raise CronError(_said(line, str(error))) from error
    if next(times, None) is None:
        raise CronError(NEVER)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises:
        ZoneError: it is not known here.
    """
    if name not in _zones():
        raise ZoneError(
            f"There is no time zone {name[:LINE_CHARACTERS]!r}; take a name of the IANA's, such as"
            " Europe/Berlin or UTC."
        )
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    # Each server may have another for the first, and the second is none.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _until(times: Iterator[datetime], until: datetime) -> Iterator[datetime]:
    for time in times:
        if time > until:
            return
        yield time


def _said(line: str, error: str) -> str:
    """Return what is wrong with a line, of which the library says `Bad hour` or the like."""
    values = line.split()
    names = [*TAKEN] if len(values) == 6 else [*TAKEN][1:]
    wrong = error.removeprefix("Bad ")
    if len(values) != len(names):
        return (
            f"It has {len(values)} fields. It takes five: minute, hour, day of month, month, day of"
            " week; or six, with the second first."
        )
    value = values[names.index(wrong)]
    if wrong == "day-of-month" and _is_day(value):
        return "It would never fire: no month that it names has such a day."
    return (
        f"The {wrong} {value!r} is none. It takes {TAKEN[wrong]}; * for all, lists (1,2), ranges"
        " (1-5) and steps (*/5)."
    )


def _is_day(value: str) -> bool:
    try:
        CronSim(f"0 0 {value} * *", datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True
