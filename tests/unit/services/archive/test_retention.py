"""What retention decides by values alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.repositories.retention import Space
from server.services.archive.retention import (
    BUSY_SHARE,
    MAX_USED_BYTES,
    MIN_EMPTY_BYTES,
    MIN_PAUSE_SECONDS,
    Surge,
    pause_seconds,
    worth_rewriting,
)


@pytest.mark.parametrize(
    ("total", "used", "worth"),
    [
        (0, 0, False),
        (MIN_EMPTY_BYTES, 0, False),
        (MIN_EMPTY_BYTES + 1, 0, True),
        (100 * MIN_EMPTY_BYTES, 50 * MIN_EMPTY_BYTES, False),
        (100 * MIN_EMPTY_BYTES, 49 * MIN_EMPTY_BYTES, True),
        (10 * MAX_USED_BYTES, MAX_USED_BYTES, True),
        (10 * MAX_USED_BYTES, MAX_USED_BYTES + 1, False),
        # An estimate may be more than all.
        (100 * MIN_EMPTY_BYTES, 120 * MIN_EMPTY_BYTES, False),
    ],
)
def test_a_table_is_written_anew_that_is_mostly_empty_and_soon_done(
    total: int, used: int, *, worth: bool
) -> None:
    assert worth_rewriting(Space(total, used)) == worth


@given(st.floats(0, 3600))
def test_the_service_has_most_of_the_time(busy_seconds: float) -> None:
    pause = pause_seconds(busy_seconds)
    assert pause >= MIN_PAUSE_SECONDS
    assert busy_seconds <= BUSY_SHARE * (busy_seconds + pause) * (1 + 1e-9)


def test_a_steady_rate_is_never_held_back_for_more_than_a_day() -> None:
    """Each day as many runs end as are removed, more than the share; sweeps come each hour."""
    surge, ended, old, held = Surge(), 2000, 0, 0
    for hour in range(24 * 20):
        now, old = hour * 3600.0, old + 40
        if surge.permits(old, ended, now):
            surge.removed(old, now)
            old, held = 0, 0
        held += 1
        assert held <= 25
    assert surge.problem == "ok"


def test_a_surge_that_passes_removes_nothing() -> None:
    """The clock was set right again within the day."""
    surge = Surge()
    for hour in range(20):
        assert not surge.permits(90, 100, hour * 3600.0)
    assert surge.permits(0, 100, 20 * 3600.0)
    assert surge.problem == "ok"
    assert not surge.permits(90, 100, 30 * 3600.0)
    assert not surge.permits(90, 100, 53 * 3600.0)
    assert surge.permits(90, 100, 54 * 3600.0)


def test_a_few_runs_may_go_of_a_few() -> None:
    assert Surge().permits(1, 1, 0.0)
    assert not Surge().permits(2, 2, 0.0)
