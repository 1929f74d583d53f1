import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.output.times import TimeMarks


def test_a_mark_holds_up_to_the_next_one_and_the_first_one_before_it() -> None:
    marks = TimeMarks([(10, 100.0), (20, 200.0)])
    assert [marks.at(offset) for offset in (0, 10, 19, 20, 1000)] == [100, 100, 100, 200, 200]


def test_a_second_mark_at_an_offset_replaces_the_first() -> None:
    marks = TimeMarks([(0, 100.0)])
    marks.add(0, 150.0)
    assert (marks.at(0), len(marks)) == (150.0, 1)


def test_marks_within_a_moment_are_one() -> None:
    marks = TimeMarks([(0, 100.0), (5, 100.0005)])
    assert (marks.at(7), len(marks)) == (100.0, 1)


def test_a_clock_set_back_makes_a_mark() -> None:
    marks = TimeMarks([(0, 100.0), (5, 50.0)])
    assert marks.at(5) == 50.0


def test_marks_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="4 is below 5"):
        TimeMarks([(5, 1.0), (4, 2.0)])


@given(st.lists(st.floats(0.0001, 1000), min_size=1, max_size=200), st.integers(2, 16))
def test_marks_stay_few_and_near(pauses: list[float], limit: int) -> None:
    marks = TimeMarks([(0, 0.0)], limit=limit)
    now = 0.0
    truth = []
    for offset, pause in enumerate(pauses, start=1):
        now += pause
        truth.append(now)
        marks.add(offset, now)
    assert len(marks) <= limit
    error = max(time - marks.at(offset) for offset, time in enumerate(truth, start=1))
    assert 0 <= error <= max(0.001, now * 4 / limit)
