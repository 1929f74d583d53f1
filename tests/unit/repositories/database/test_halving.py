"""Batches of which some items are refused."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import DatabaseRefusedError, DatabaseUnavailableError
from server.repositories.database.halving import in_parts


@given(st.integers(0, 40), st.sets(st.integers(0, 39), max_size=3))
async def test_whoever_is_refused_the_others_come_through(count: int, guilty: set[int]) -> None:
    """Each of them once, in order, for a few statements more."""
    statements, refused = 0, list[int]()

    async def act(items: Sequence[int]) -> list[int]:
        nonlocal statements
        statements += 1
        if guilty & set(items):
            raise DatabaseRefusedError
        return list(items)

    parts = await in_parts(range(count), act, lambda item, _: refused.append(item))
    assert [item for part in parts for item in part] == [n for n in range(count) if n not in guilty]
    assert refused == sorted(guilty & set(range(count)))
    assert statements <= 1 + 12 * len(refused)


async def test_a_database_that_goes_away_is_not_asked_again() -> None:
    calls = 0

    async def act(_: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        raise DatabaseUnavailableError if calls == 2 else DatabaseRefusedError

    with pytest.raises(DatabaseUnavailableError):
        await in_parts(range(4), act, lambda *_: None)
    assert calls == 2
