"""A search through output in pieces of any size, against grep."""

import random
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server.services.search import hits, scan
from server.services.search.pattern import Pattern, Query
from server.services.search.scan import Asked, Place, Scan

LINES = st.lists(
    st.text("abB 1_é\tЖж-.", max_size=8).map(str.encode) | st.sampled_from([b"\xff", b"a\xffb\r"]),
    max_size=40,
)
PATTERNS = st.sampled_from(
    ["a", "b+", "a.b", "^a", "b$", "^$", "[^a]", "a|Ж", "(a|b)*1", "[[:space:]]", "[жЖ]", "..", "B"]
)
OPTIONS = st.frozensets(st.sampled_from(["case", "ends"]))
WORDS = st.sampled_from(["a", "b", "Ж", "ab", "1", "é", "-", "."])


def never() -> float:
    """Tell the time by a clock that stands still."""
    return 0.0


def grepped(data: bytes, *options: str) -> list[int]:
    """Return the numbers of the lines that grep finds."""
    command = ["grep", "-n", "-a", *options]
    done = subprocess.run(
        command, input=data, capture_output=True, check=False, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.returncode in (0, 1), done.stderr
    return [int(line.split(b":", 1)[0]) for line in done.stdout.splitlines() if line[:1].isdigit()]


def searched(
    data: bytes,
    query: Query,
    asked: Asked | None = None,
    *,
    step: int = 7,
    place: Place | None = None,
    clock: Callable[[], float] = never,
) -> tuple[Scan, int]:
    """Search in pieces of `step` bytes; return the search, and how often it found something."""
    begun = place or Place()
    search = Scan(Pattern(query), asked or Asked(limit=1000), begun, clock=clock)
    while search.wants < len(data) and not search.done:
        search.feed(data[search.wants : search.wants + step])
    return search, search.finish(ended=True)


def lines(search: Scan) -> list[int]:
    """Return the numbers of the lines that were found."""
    return [hit.line for hit in search.found.items]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(LINES, PATTERNS, OPTIONS, st.integers(1, 50))
@example([b"a", b"", b""], "^$", frozenset({"ends"}), 1)
def test_every_line_that_grep_finds_is_found_once_in_order(
    texts: list[bytes], pattern: str, options: frozenset[str], step: int
) -> None:
    data = b"\n".join(texts) + (b"\n" if "ends" in options else b"")
    case = "case" in options
    search, count = searched(data, Query(pattern, regex=True, case=case), step=step)
    assert lines(search) == grepped(data, "-E", *([] if case else ["-i"]), "-e", pattern)
    assert count == len(search.found.items)


@settings(deadline=None, max_examples=100)
@given(LINES, WORDS, st.sampled_from(["", "-w"]), st.integers(1, 50))
def test_text_and_whole_words_are_those_of_grep(
    texts: list[bytes], text: str, word: str, step: int
) -> None:
    data = b"".join(line.replace(b"\xff", b"") + b"\n" for line in texts)
    options = ["-F", *filter(None, [word]), "-e", text]
    search, _ = searched(data, Query(text, case=True, word=bool(word)), step=step)
    assert lines(search) == grepped(data, *options)


@settings(deadline=None, max_examples=60)
@given(st.integers(0), st.sampled_from(["a", "[ab]", "$", r"\d", r"\s", "b$"]), st.integers(1, 9))
def test_lines_counted_many_at_once_are_as_many_as_one_by_one(
    seed: int, pattern: str, rare: int
) -> None:
    chosen = random.Random(seed)
    data = b"".join(
        chosen.choice([b"a 1\n", b"b\n", b"\n"]) if chosen.randrange(rare) == 0 else b"c\n"
        for _ in range(6000)
    )
    found, count = searched(data, Query(pattern, regex=True), Asked(part_bytes=997), step=4001)
    expected = grepped(data, "-P", "-e", pattern)
    assert count == len(expected)
    assert sum(hits for _, hits in found.found.histogram) == count
    ordinals = [0]
    for _, part in found.found.histogram:
        ordinals.append(ordinals[-1] + part)
    firsts = [line for line, _ in found.found.histogram]
    assert firsts == [expected[ordinal] for ordinal in ordinals[:-1]]


@settings(deadline=None, max_examples=60)
@given(LINES, PATTERNS, st.integers(0, 30), st.integers(1, 5))
def test_hits_are_found_from_any_ordinal_on(
    texts: list[bytes], pattern: str, skip: int, limit: int
) -> None:
    data = b"\n".join(texts)
    search, _ = searched(data, Query(pattern, regex=True), Asked(limit=limit, skip=skip))
    expected = grepped(data, "-E", "-i", "-e", pattern)
    assert lines(search) == expected[skip : skip + limit]


@settings(deadline=None, max_examples=60)
@given(LINES, PATTERNS, st.integers(1, 40))
def test_no_line_after_the_last_one_asked_for_is_looked_at(
    texts: list[bytes], pattern: str, until: int
) -> None:
    data = b"\n".join(texts)
    search, count = searched(data, Query(pattern, regex=True), Asked(limit=99, until=until))
    expected = [n for n in grepped(data, "-E", "-i", "-e", pattern) if n <= until]
    assert (lines(search), count) == (expected, len(expected))


@settings(deadline=None, max_examples=60)
@given(LINES, PATTERNS, st.lists(st.integers(1, 60), max_size=6))
def test_what_grows_is_counted_on_without_being_looked_at_anew(
    texts: list[bytes], pattern: str, cuts: list[int]
) -> None:
    data = b"\n".join(texts)
    place, query = Place(), Query(pattern, regex=True)
    for size in [*sorted(cuts), len(data)]:
        search, count = searched(data[:size], query, place=place)
        assert count == len(grepped(data[:size], "-E", "-i", "-e", pattern))
        place = search.place


def test_a_line_of_many_pieces_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PIECE_BYTES", 64)
    monkeypatch.setattr(scan, "OVERLAP_BYTES", 16)
    long = b"x" * 300 + b"needle" + b"y" * 200 + b"needle" + b"z" * 100
    data = b"needle\n" + long + b"\nneedle\n" + long
    for step in (1, 7, 50, 64, 65, 1000):
        search, count = searched(data, Query("needle"), step=step)
        assert (lines(search), count) == ([1, 2, 3, 4], 4)
        found = search.found.items[1]
        assert found.text[found.start : found.end] == "needle"
        assert data[found.text_offset :].startswith(found.text.encode())
        assert found.offset == 7
    ends = {"^needle": [1, 3], "z$": [2, 4], "^y": [], "x$": [], "^x": [2, 4]}
    for pattern, expected in ends.items():
        search, count = searched(data, Query(pattern, regex=True), step=50)
        assert (lines(search), count) == (expected, len(expected))


def test_a_search_stops_at_the_last_hit_asked_for_and_goes_on_behind_it() -> None:
    data = b"".join(b"%d a\n" % number for number in range(1, 100))
    found, place = [], Place()
    for _ in range(11):
        search, _ = searched(data, Query("a"), Asked(limit=10), place=place)
        found += lines(search)
        place = search.place
    assert found == list(range(1, 100))


def test_time_that_is_over_ends_the_look_between_two_windows() -> None:
    ticks = iter(range(100000))
    search = Scan(Pattern(Query("a")), Asked(), Place(), clock=lambda: float(next(ticks)))
    data = b"a\n" * 20000
    assert search.feed(data, until=0) is False
    assert 0 < search.place.offset < len(data)
    assert search.wants == len(data)
    while not search.feed(b"", until=0):
        pass
    assert search.place == Place(len(data), 20001, 20000)


def test_a_hit_tells_where_the_match_is_as_pages_count() -> None:
    search, _ = searched("😀 ОШИБКА\n".encode(), Query("ошибка"))
    (found,) = search.found.items
    assert (found.text, found.start, found.end) == ("😀 ОШИБКА", 3, 9)


def test_of_a_long_line_the_text_around_the_match_is_told() -> None:
    line = "é".encode() * 5000 + b"needle" + "é".encode() * 5000
    search, _ = searched(line + b"\n", Query("needle"))
    (found,) = search.found.items
    assert found.text[found.start : found.end] == "needle"
    assert "�" not in found.text
    assert len(found.text.encode()) <= hits.TEXT_BYTES
    assert line[found.text_offset :].startswith(found.text.encode())


def test_a_whole_word_is_shown_without_what_is_beside_it() -> None:
    search, _ = searched(b"say 'no', not\n", Query("no", word=True))
    (found,) = search.found.items
    assert found.text[found.start : found.end] == "no"


def test_lines_around_are_told_where_they_are_at_hand() -> None:
    data = b"".join(b"line %d\n" % number for number in range(4000))
    search, _ = searched(data, Query("line 2000"), Asked(limit=1, context=2), step=len(data))
    (found,) = search.found.items
    assert found.before == ["line 1998", "line 1999"]
    assert found.after == ["line 2001", "line 2002"]
    assert not search.owed
