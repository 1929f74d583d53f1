"""What a client takes, has already, and shall call an output."""

import re
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.handlers.http.negotiation import (
    accepts_events,
    accepts_zstd,
    disposition,
    entity_tag,
    has_it_already,
    range_holds,
)

RUN = UUID("11111111-2222-4333-8444-555555555555")
START = datetime(2026, 11, 26, 1, 18, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("zstd", True),
        ("gzip, zstd;q=0.1", True),
        (" ZSTD ; Q=1.000 ,br", True),
        ("zstd, identity", True),
        ("zstd;q=0, identity", False),
        ("zstd;q=0.0", False),
        ("zstd;q=0.5, identity;q=0.9", False),
        ("zstd;q=x", False),
        ("zstd;q=2", False),
        ("zstd;q=-1", False),
        ("zstd;q=nan", False),
        ("xzstdx", False),
        ("zstd-like, x;zstd", False),
        ("*", False),
        ("", False),
        (",;,", False),
    ],
)
def test_zstd_is_taken_by_who_asks_for_it(header: str, *, accepted: bool) -> None:
    assert accepts_zstd(header) is accepted


@given(st.text())
def test_any_header_is_understood_or_not(header: str) -> None:
    assert accepts_zstd(header) in {True, False}
    assert has_it_already(header, entity_tag(RUN, 1, zstd=True)) == (header.strip() == "*")
    assert not range_holds(header, None)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("text/event-stream", True),
        ("text/html, Text/Event-Stream;q=0.2", True),
        ("text/event-stream;q=0", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
    ],
)
def test_events_are_sent_to_who_asks_for_them(header: str, *, accepted: bool) -> None:
    assert accepts_events(header) is accepted


def test_each_size_and_encoding_has_a_tag_of_its_own() -> None:
    tags = {entity_tag(RUN, size, zstd=zstd) for size in (1, 2) for zstd in (True, False)}
    assert len(tags) == 4
    assert range_holds(None, None)
    assert all(range_holds(f" {tag} ", tag) and has_it_already(f"W/{tag}", tag) for tag in tags)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("Backup", 'inline; filename="Backup 2026-11-26 01.18.06.txt"'),
        ('a/b\\c:"d" 100%', 'inline; filename="a b c d 100 2026-11-26 01.18.06.txt"'),
        ("..", 'inline; filename="run 2026-11-26 01.18.06.txt"'),
        (
            "Отчёт 1",
            (
                "inline; filename=\"1 2026-11-26 01.18.06.txt\"; filename*=UTF-8''"
                "%D0%9E%D1%82%D1%87%D1%91%D1%82%201%202026-11-26%2001.18.06.txt"
            ),
        ),
    ],
)
def test_an_output_is_named(name: str, header: str) -> None:
    assert disposition(name, START) == header


def test_a_run_that_never_started_has_a_name_too() -> None:
    assert disposition("Backup", None) == 'inline; filename="Backup.txt"'


@given(st.text(max_size=64))
def test_any_name_makes_a_header_and_a_file_name(name: str) -> None:
    """The form of RFC 6266; neither line ends nor paths get through."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    header = disposition(name, START)
    match = re.fullmatch(
        r"inline; filename=\"([ -!#-\[\]-~]+)\"(?:; filename\*=UTF-8''([!-~]+))?", header
    )
    assert match is not None
    for saved in (match[1], unquote(match[2] or "x")):
        assert "/" not in saved
        assert "\\" not in saved
        assert saved.isprintable() or match[2]
        assert not saved.startswith(".")
