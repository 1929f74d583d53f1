import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.output.lines import LineRange, after_newline, last_lines, parse_lines

DATA = st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r"])).map(b"".join)


@given(DATA, st.integers(-1, 12))
@example(b"\n", 1)
@example(b"a", 1)
def test_a_newline_is_found_by_its_number(data: bytes, count: int) -> None:
    places = [0] + [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    expected = places[max(0, count)] if count < len(places) else len(data)
    assert after_newline(data, count) == expected


@given(DATA, st.integers(0, 12))
def test_the_last_lines_are_those_at_the_end(data: bytes, count: int) -> None:
    lines = data.split(b"\n")
    expected = b"\n".join(lines[-count:]) if count else b""
    assert data[last_lines(data, count) :] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-1", LineRange(1, 1)),
        ("10-20", LineRange(10, 20)),
        ("007-", LineRange(7, None)),
        ("7", LineRange(7, 7)),
    ],
)
def test_a_range_of_lines_is_parsed(text: str, expected: LineRange) -> None:
    assert parse_lines(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lines must be a-b"),
        ("-5", "lines must be a-b"),
        ("a-b", "lines must be a-b"),
        ("1-2-3", "lines must be a-b"),
        ("1 -2", "lines must be a-b"),
        ("1-2\n", "lines must be a-b"),
        ("\u0661-\u0662", "lines must be a-b"),
        ("1" * 19, "lines must be a-b"),
        ("0-3", "numbered from 1"),
        ("0", "numbered from 1"),
        ("3-2", "run forwards"),
    ],
)
def test_a_wrong_range_of_lines_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_lines(text)


@given(st.text())
def test_any_other_text_is_a_value_error(text: str) -> None:
    try:
        found = parse_lines(text)
    except ValueError:
        return
    assert 1 <= found.first <= (found.last or found.first)
