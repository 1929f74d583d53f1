"""Due times of cron lines, by Debian's rules where the clock changes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.services.schedules.cron import COUNTED, Cron, CronError, ZoneError, check_line, normal
from server.services.schedules.warnings import Effect, WarningKind, warnings_of

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana"]
LINES = [
    "* * * * *",
    "*/7 * * * *",
    "30 2 * * *",
    "0,30 2,3 * * *",
    "0 */2 * * *",
    "15 1-3 * * SUN",
    "0 0 L * *",
    "0 9 * * MON#1",
    "0 30 2 * * *",
    "0 0 29 2 *",
]


def local(cron: Cron, since: datetime, count: int) -> list[str]:
    times = cron.upcoming(since, count)
    return [time.astimezone(cron.zone).strftime("%m-%d %H:%M %z") for time in times]


@pytest.mark.parametrize(
    ("zone", "since", "expected"),
    [
        (  # the clock skips 02:00 to 03:00
            "Europe/Berlin",
            "2027-03-27T12:00+01:00",
            ["03-28 03:00 +0200", "03-29 02:30 +0200"],
        ),
        (  # 02:00 to 03:00 comes twice
            "Europe/Berlin",
            "2027-10-30T12:00+02:00",
            ["10-31 02:30 +0200", "11-01 02:30 +0100"],
        ),
        (
            "America/New_York",
            "2027-03-13T12:00-05:00",
            ["03-14 03:00 -0400", "03-15 02:30 -0400"],
        ),
        (  # half an hour
            "Australia/Lord_Howe",
            "2027-10-02T12:00+10:30",
            ["10-03 02:30 +1100", "10-04 02:30 +1100"],
        ),
    ],
    ids=["forward", "back", "elsewhere", "half"],
)
def test_a_time_of_day_comes_once_where_the_clock_changes(
    zone: str, since: str, expected: list[str]
) -> None:
    cron = Cron.of("30 2 * * *", zone)
    assert local(cron, datetime.fromisoformat(since).astimezone(UTC), 2) == expected


def test_intervals_go_on_where_the_clock_changes() -> None:
    cron = Cron.of("*/30 * * * *", "Europe/Berlin")
    for day in ["2027-03-28T00:00+00:00", "2027-10-31T00:00+00:00"]:
        times = cron.upcoming(datetime.fromisoformat(day), 10)
        assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=30)}


def test_a_leap_day_comes_every_four_years() -> None:
    times = Cron.of("0 0 29 2 *", "UTC").upcoming(NOW, 2)
    assert [f"{time:%Y-%m-%d}" for time in times] == ["2028-02-29", "2032-02-29"]


@given(
    st.sampled_from(LINES),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001  made aware below
)
@example("30 2 * * *", "Europe/Berlin", datetime(2027, 10, 31, 1, 15))  # noqa: DTZ001
def test_due_times_do_not_depend_on_when_they_are_asked_for(
    line: str, zone: str, since: datetime
) -> None:
    moment = since.replace(tzinfo=UTC)
    cron = Cron.of(line, zone)
    times = cron.upcoming(moment, 5)
    assert all(time > moment for time in times)
    assert list(times) == sorted(set(times))
    for earlier, later in pairwise(times):
        assert cron.after(earlier) == later
        middle = earlier + (later - earlier) / 2
        assert cron.after(middle) == later
    assert cron.latest(times[0], times[-1]) == times[-1]
    assert cron.latest(times[0], times[-1] - timedelta(seconds=1)) == times[-2]
    assert cron.count(times[0], times[-1]) == 4


def test_due_times_are_counted_up_to_a_bound() -> None:
    cron = Cron.of("* * * * * *", "UTC")
    assert cron.count(NOW, NOW + timedelta(days=7)) == COUNTED
    assert cron.latest(NOW, NOW + timedelta(days=7)) == NOW + timedelta(days=7)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("61 * * * *", "The minute '61' is none. It takes 0 to 59"),
        ("* 24 * * *", "The hour '24' is none."),
        ("* * 32 * *", "The day-of-month '32' is none."),
        ("* * * 13 *", "The month '13' is none."),
        ("* * * * MONDAY", "The day-of-week 'MONDAY' is none."),
        ("60 * * * * *", "The second '60' is none."),
        ("* *", "It has 2 fields. It takes five"),
        ("@daily", "It has 1 fields."),
        ("0 0 31 2 *", "It would never fire: no month that it names has such a day."),
        ("0 0 */5 2 MON#5", "It would never fire: no day"),
        ("*" * 201, "It has more than 200 characters."),
    ],
)
def test_what_is_no_line_is_refused_in_words(line: str, said: str) -> None:
    with pytest.raises(CronError, match="^" + said.replace("*", r"\*").replace("(", r"\(")):
        check_line(line)


@given(st.text(alphabet="0123456789*/,-#LWMONJAN ", max_size=40))
def test_any_text_is_a_line_with_words_or_refused(text: str) -> None:
    line = normal(text)
    try:
        cron = Cron.of(line, "UTC")
    except CronError:
        return
    assert cron.words
    assert cron.after(NOW)


@pytest.mark.parametrize("name", ["europe/berlin", "../UTC", "", "localtime", "Mars/Olympus"])
def test_a_zone_that_is_not_known_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ZoneError, match=r"^There is no time zone"):
        Cron.of("* * * * *", name)


@pytest.mark.parametrize(
    ("line", "zone", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", [Effect.AFTER, Effect.FIRST]),
        ("*/15 2 * * *", "Europe/Berlin", [Effect.NONE, Effect.TWICE]),
        ("0 30 2 * * *", "Europe/Berlin", [Effect.NONE, Effect.TWICE]),
        ("0 */2 * * *", "Europe/Berlin", [Effect.NONE, Effect.TWICE]),
        ("*/15 * * * *", "Europe/Berlin", []),
        ("30 4 * * *", "Europe/Berlin", []),
        ("15 2 * * *", "Australia/Lord_Howe", [Effect.AFTER]),
        ("45 1 * * *", "Australia/Lord_Howe", [Effect.FIRST]),
        ("30 2 * * *", "UTC", []),
    ],
)
def test_what_is_warned_of_is_what_happens(line: str, zone: str, expected: list[Effect]) -> None:
    cron = Cron.of(line, zone)
    warnings = warnings_of(cron, NOW)
    assert {one.effect for one in warnings} == {*expected}
    for warning in warnings:
        assert warning.begin is not None
        assert warning.end is not None
        begin = warning.begin.replace(tzinfo=cron.zone).astimezone(UTC)
        times = [
            time.astimezone(cron.zone)
            for time in cron.upcoming(begin - timedelta(seconds=1), 20)
            if time < begin + timedelta(hours=3)
        ]
        named = [time for time in times if warning.begin <= time.replace(tzinfo=None) < warning.end]
        at_end = [time for time in times if time.replace(tzinfo=None) == warning.end]
        match warning.effect:
            case Effect.AFTER:
                assert not named
                assert at_end
            case Effect.NONE:
                assert not named
            case Effect.FIRST:
                assert named
                assert {time.fold for time in named} == {0}
            case Effect.TWICE:
                assert {time.fold for time in named} == {0, 1}


def test_a_line_whose_next_time_is_far_away_is_warned_of() -> None:
    [warning] = warnings_of(Cron.of("0 0 29 2 *", "UTC"), NOW)
    assert warning.kind is WarningKind.RARE
    assert warning.text == "It is due for the first time on 2028-02-29."


def test_words_are_of_the_line() -> None:
    assert Cron(normal(" 15  3 *  * mon "), ZoneInfo("UTC")).words == "At 03:15 on Monday"
