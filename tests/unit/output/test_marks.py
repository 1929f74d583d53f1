"""Marks: as fine as promised, few, and packed without a loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.output.marks import (
    MAX_FRESH_MARKS,
    SPACING_BYTES,
    SPACING_SECONDS,
    FreshMarks,
    Mark,
    packed,
    unpacked,
)

GROWTHS = st.lists(st.tuples(st.integers(1, 200_000), st.floats(-5, 5)), max_size=60)


def grown(growths: list[tuple[int, float]]) -> list[Mark]:
    """Return when each stretch of an output was first seen."""
    seen, offset, now = [Mark(0, 1e9)], 0, 1e9
    for size, pause in growths:
        offset, now = offset + size, now + pause
        seen.append(Mark(offset, now))
    return seen


@given(GROWTHS, st.integers(0, 60))
def test_marks_are_as_fine_as_promised_also_of_what_is_left_of_them(
    growths: list[tuple[int, float]], forgotten: int
) -> None:
    marks = FreshMarks()
    seen = grown(growths)
    for mark in seen:
        marks.add(mark.offset, mark.time)
    kept = seen[min(forgotten, len(seen) - 1) :]
    marks.forget(kept[0].offset)
    for mark in kept:
        [found] = marks.between(mark.offset, mark.offset + 1)
        assert found.offset <= mark.offset < found.offset + SPACING_BYTES
        assert abs(mark.time - found.time) < SPACING_SECONDS
    whole = marks.between(kept[0].offset, kept[-1].offset + 1)
    assert whole[0].offset <= kept[0].offset
    assert [one.offset for one in whole] == sorted({one.offset for one in whole})
    assert marks.between(kept[0].offset, kept[0].offset) == whole[:1]
    assert len(whole) == len(marks)


def test_what_was_first_seen_anew_has_the_later_time() -> None:
    marks = FreshMarks()
    marks.add(0, 1.0)
    marks.add(0, 2.0)
    assert marks.between(0, 9) == [Mark(0, 2.0)]


def test_marks_that_nobody_archives_stay_few() -> None:
    """And those that are archived again are as fine as before."""
    marks = FreshMarks(limit=100)
    for offset in range(100_000):
        marks.add(offset, offset / 8)
    assert len(marks) <= 100
    for offset in range(100_000):
        [found] = marks.between(offset, offset + 1)
        assert 0 <= offset / 8 - found.time < 100_000 / 8 / 100 * 4
    marks.forget(100_000)
    for offset in range(100_000, 100_010):
        marks.add(offset, offset / 8)
    assert [mark.time for mark in marks.between(100_000, 100_010)] == [
        offset / 8 for offset in range(100_000, 100_010)
    ]


@given(GROWTHS, st.integers(0, 100))
def test_what_is_packed_is_unpacked_to_the_millisecond(
    growths: list[tuple[int, float]], start: int
) -> None:
    marks = grown(growths)
    seen_at = marks[-1].time
    found = unpacked(packed(marks, start, seen_at), start, seen_at)
    assert [mark.offset for mark in found] == [max(start, mark.offset) for mark in marks]
    for one, other in zip(found, marks, strict=True):
        assert one.time == pytest.approx(other.time, abs=0.00051)


def test_a_mark_takes_a_few_bytes() -> None:
    marks = [Mark(number * 64 * 1024, 1e9 + number / 10) for number in range(16)]
    assert len(packed(marks, 0, marks[-1].time)) == 3 + 15 * 5


@pytest.mark.parametrize("data", [b"", b"\x05\x00", b"\xff\xff"])
def test_without_marks_everything_is_of_the_last_byte(data: bytes) -> None:
    assert unpacked(data, 7, 5.0) == [Mark(7, 5.0)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" + b"\xff" * 100_000 + b"\x01",
        b"\x00\x00" + b"\xff" * 10 + b"\x01\x00",
        packed([Mark(7, -1.0)], 7, 5.0),
        packed([Mark(7, 1e12)], 7, 5.0),
        packed([Mark(7, 1e300)], 7, 5.0),
    ],
    ids=["no number", "no offset", "before all time", "after all time", "larger than any number"],
)
def test_what_a_worker_makes_up_is_no_time(data: bytes) -> None:
    assert unpacked(data, 7, 5.0) == [Mark(7, 5.0)]


def test_there_are_no_more_marks_than_an_output_has() -> None:
    assert len(unpacked(b"\x00\x00" * (MAX_FRESH_MARKS + 1), 7, 5.0)) == MAX_FRESH_MARKS
