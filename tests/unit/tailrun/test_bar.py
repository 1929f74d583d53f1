"""What a terminal shows of a run."""

import pytest

from tailrun.cli.bar import Rate, amount, bar, clock
from tests.unit.tailrun.test_exits import ended


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_400, "99.4 kB"),
        (99_600, "100 kB"),
        (999_600, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_an_amount_has_at_most_three_digits(size: float, told: str) -> None:
    assert amount(size) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0:00"), (61.9, "1:01"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_a_duration_is_told_as_a_clock_does(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.at(0, 0) == 0
    assert rate.at(2, 2000) == 1000
    assert rate.at(4, 4000) == 1000
    assert rate.at(8, 4000) == 0


def test_the_bar_is_a_line_that_fits_and_shows_nothing_that_a_terminal_would_obey() -> None:
    told = bar(ended("queued", reason="It waits for \x1b[2J a place."), 1234, 10, 5, 120)
    assert told == "\r\x1b[K  1.2 kB      10 B/s  0:05  queued: It waits for \\x1b[2J a place."
    assert len(bar(ended("running"), 1, 1, 1, 20)) == len("\r\x1b[K") + 19
