"""What the domain's values refuse to be."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from server.models import Advance, Chunk

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def chunk(offset: int, count: int) -> Chunk:
    return Chunk(offset, count, 1, 0, NOW, b"x" * count)


@pytest.mark.parametrize(
    ("start", "end", "chunks", "problem"),
    [
        (3, 2, (), "shrink"),
        (0, 4, (chunk(1, 3),), "adjoin"),
        (0, 4, (chunk(0, 2), chunk(3, 1)), "adjoin"),
        (0, 5, (chunk(0, 2), chunk(2, 2)), "all"),
    ],
)
def test_an_advance_goes_forwards_by_chunks_that_adjoin(
    start: int, end: int, chunks: tuple[Chunk, ...], problem: str
) -> None:
    with pytest.raises(AssertionError, match=problem):
        Advance(UUID(int=1), 1, start, end, 0, chunks)


def test_an_advance_may_go_nowhere_or_by_chunks_that_adjoin() -> None:
    assert Advance(UUID(int=1), 1, 3, 3, 0).chunks == ()
    assert Advance(UUID(int=1), 1, 0, 4, 0, (chunk(0, 2), chunk(2, 2))).to_offset == 4
