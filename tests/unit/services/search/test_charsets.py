"""A search in encodings with a byte a character finds what one in UTF-8 does, which grep proves."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import PatternRefusedError
from server.services.search.charsets import CODECS, text_of
from server.services.search.pattern import Pattern, Query
from server.services.search.scan import Asked
from tests.unit.services.search.test_scan import lines, searched

OPTIONS = st.frozensets(st.sampled_from(["case", "word"]))
LABELS = st.sampled_from(sorted(CODECS))
TEXTS = st.lists(st.text("abB 1_-жЖёЁяЯ№°", max_size=8), max_size=40)
PATTERNS = st.sampled_from(
    [
        "ж",
        "Ё",
        "^Ж",
        "я$",
        "[д-я]",
        "[Г-Я]+",
        "[^ж]",
        "ё|b",
        "..",
        r"\d",
        r"[Жb]\b",
        "[\N{CYRILLIC SMALL LETTER A}-я]1",
        r"\Q-Я",
    ]
)


@settings(deadline=None, max_examples=200)
@given(LABELS, TEXTS, PATTERNS, OPTIONS, st.integers(1, 50))
def test_the_same_lines_match_as_in_utf8(
    label: str, texts: list[str], pattern: str, options: frozenset[str], step: int
) -> None:
    text = "\n".join(texts)
    asked = Asked(limit=1000, context=1)
    query = Query(pattern, regex=True, case="case" in options, word="word" in options)
    utf8, count = searched(text.encode(), query, asked, step=step)
    query = replace(query, encoding=label)
    other, other_count = searched(text.encode(CODECS[label]), query, asked, step=step)
    assert (lines(other), other_count) == (lines(utf8), count)
    for one, expected in zip(other.found.items, utf8.found.items, strict=True):
        assert (one.text, one.start, one.end) == (expected.text, expected.start, expected.end)


@pytest.mark.parametrize("label", CODECS)
@pytest.mark.parametrize("which", ["case", "any"])
def test_every_character_of_an_encoding_is_found_and_no_other(label: str, which: str) -> None:
    case = which == "case"
    text = text_of(bytes(range(128, 256)), label)
    data = b"".join(bytes([byte]) + b"\n" for byte in range(128, 256))
    for number, character in enumerate(text, 1):
        search, _ = searched(data, Query(character, case=case, encoding=label), step=len(data))
        same = [n for n, other in enumerate(text, 1) if other.lower() == character.lower()]
        assert lines(search) == ([number] if case else same)


REFUSED = {
    "日": "There is no '日' in windows-1251",
    r"\pL": r"'\\\\pL' \(at character 1\) is not known in windows-1251",
    r"[a\x{416}]": "at character 3",
    r"a\xe6": "at character 2",
    "(?i)ж": r"'\(\?i' \(at character 1\)",
    "a(": r"missing \)",
}


@pytest.mark.parametrize(("pattern", "words"), REFUSED.items(), ids=REFUSED)
def test_what_an_encoding_does_not_know_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(PatternRefusedError, match=words):
        Pattern(Query(pattern, regex=True, encoding="windows-1251"))
