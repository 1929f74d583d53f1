"""What retention decides by values alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.repositories.retention import Space
from server.services.retention import (
    BUSY_SHARE,
    MAX_USED_BYTES,
    MIN_EMPTY_BYTES,
    MIN_PAUSE_SECONDS,
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
