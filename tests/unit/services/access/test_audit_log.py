"""Which rows of the audit the file has, in whatever order they are committed."""

from server.services.access.audit_log import LATE_SECONDS, MAX_MISSING, Written


def test_rows_that_come_late_are_waited_for() -> None:
    written = Written(10)
    written.add([11, 14, 15], 0.0)
    assert (written.last, [*written.missing]) == (15, [12, 13])
    written.add([13, 16], 1.0)
    assert (written.last, written.missing) == (16, {12: 0.0})
    written.add([12], 2.0)
    assert (written.last, written.missing) == (16, {})


def test_rows_that_never_come_are_given_up() -> None:
    written = Written(0)
    written.add([2], 0.0)
    written.add([4], 1.0)
    written.give_up(LATE_SECONDS)
    assert [*written.missing] == [3]


def test_a_leap_of_the_numbers_is_not_waited_for_in_full() -> None:
    written = Written(0)
    written.add([10**9], 0.0)
    written.add([10**9 + 2], 0.0)
    assert len(written.missing) == MAX_MISSING
    assert max(written.missing) == 10**9 + 1


def test_what_was_given_up_and_comes_after_all_is_no_leap() -> None:
    written = Written(10)
    written.add([3], 0.0)
    assert (written.last, written.missing) == (10, {})
