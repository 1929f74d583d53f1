"""What can be searched for, and what is said of what cannot."""

import pytest

from server.errors import PatternRefusedError
from server.services.search.pattern import Pattern, Query

REFUSED = {
    "(": r"missing \): \( \(at character 1\)",
    "a[z-b]": r"invalid character class range: z-b \(at character 3\)",
    "a**": "bad repetition operator",
    "(?=a)": r"invalid perl operator: \(\?=",
    "\\": "trailing",
    r"a\C": r"'\\\\C' \(at character 2\) has no meaning",
    "(?-m)^a": "each line is matched by itself",
    r"\pL{50}": "too large: it takes [0-9,]+ steps of at most 2,000",
}


@pytest.mark.parametrize(("pattern", "words"), REFUSED.items(), ids=REFUSED)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(pattern: str, words: str) -> None:
    with pytest.raises(PatternRefusedError, match=words):
        Pattern(Query(pattern, regex=True))


def test_a_text_of_two_lines_is_refused() -> None:
    with pytest.raises(PatternRefusedError, match="within lines"):
        Pattern(Query("a\nb"))


WITHIN = {
    r"a\sb": (b"a\nb\na b\n", [1]),
    r"[a\s]b": (b"a\nb\n b\n", [2]),
    r"a[\x00-\x20]b": (b"a\nb\na b\n", [1]),
    r"\Aa": (b"b\nab\n", [1]),
    r"a\z": (b"b\nba\n", [1]),
    r"\Qa\s\E": (b"a b\na\\s\n", [1]),
    r"\Qa\s": (b"a b\na\\s\n", [1]),
    r"a[^x]b": (b"a\nb\na-b\n", [1]),
}


@pytest.mark.parametrize(("pattern", "case"), WITHIN.items(), ids=WITHIN)
def test_no_match_goes_over_the_end_of_a_line(pattern: str, case: tuple[bytes, list[int]]) -> None:
    data, expected = case
    found = Pattern(Query(pattern, regex=True))
    match = found.first(data, 0, len(data) - 1)
    assert match is not None
    assert data.count(b"\n", 0, match.start) == expected[0] + (data.startswith(b"a\nb\na") and 1)
    assert b"\n" not in data[match.start : match.end]


def test_a_pattern_beside_newlines_alone_finds_nothing() -> None:
    pattern = Pattern(Query(r"a[\x00-\x20]b", regex=True))
    assert pattern.first(b"a\nb\na\nb\n", 0, 7) is None
