import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.output.ranges import ByteRange, UnsatisfiableRangeError, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=0-" + "9" * 40, (0, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("BYTES=1-2", (1, 3)),
        ("bytes= 1-2 ", (1, 3)),
    ],
)
def test_a_range_is_cut_at_the_size(header: str, expected: tuple[int, int]) -> None:
    assert parse_range(header, 100) == ByteRange(*expected)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=100-", 100),
        ("bytes=100-200", 100),
        ("bytes=-0", 100),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-5", 0),
    ],
)
def test_a_range_without_a_byte_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableRangeError, match=f"outside of the {size} bytes"):
        parse_range(header, size)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2,4-5",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1 - 2",
        "bytes=1-2\n",
        "bytes=\u0661-\u0662",
        "lines=1-2",
    ],
)
def test_another_header_is_no_range(header: str) -> None:
    with pytest.raises(ValueError, match="a range must be") as caught:
        parse_range(header, 100)
    assert not isinstance(caught.value, UnsatisfiableRangeError)


def test_a_range_that_runs_backwards_is_no_range() -> None:
    with pytest.raises(ValueError, match="runs forwards") as caught:
        parse_range("bytes=5-4", 100)
    assert not isinstance(caught.value, UnsatisfiableRangeError)


@given(st.binary(min_size=1, max_size=20), st.integers(0, 25), st.integers(0, 25))
def test_a_range_selects_what_slicing_does(data: bytes, first: int, length: int) -> None:
    expected = data[first : first + length + 1]
    try:
        start, end = parse_range(f"bytes={first}-{first + length}", len(data))
    except UnsatisfiableRangeError:
        assert expected == b""
    else:
        assert data[start:end] == expected


@given(st.binary(min_size=1, max_size=20), st.integers(1, 25))
def test_a_suffix_selects_what_slicing_does(data: bytes, length: int) -> None:
    start, end = parse_range(f"bytes=-{length}", len(data))
    assert data[start:end] == data[-length:]
