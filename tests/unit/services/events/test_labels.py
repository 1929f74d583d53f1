"""What commands are called: asked for once, and known while the database is away."""

from collections.abc import Collection, Mapping
from uuid import UUID, uuid4

import pytest

from server.errors import DatabaseUnavailableError
from server.models import CommandLabel
from server.services.events.labels import FRESH_SECONDS, MAX_REMEMBERED, Labels

ONE, OTHER = (CommandLabel(uuid4(), name, "web") for name in ["one", "other"])
UNKNOWN = uuid4()


class Stored:
    """Commands, in a database that may be away."""

    def __init__(self) -> None:
        self.labels = {label.id: label for label in [ONE, OTHER]}
        self.asked: list[set[UUID]] = []
        self.away = False
        self.now = 0.0

    async def ask(self, ids: Collection[UUID]) -> Mapping[UUID, CommandLabel]:
        if self.away:
            raise DatabaseUnavailableError
        self.asked.append(set(ids))
        return {one: self.labels[one] for one in ids if one in self.labels}


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def labels(stored: Stored) -> Labels:
    return Labels(stored.ask, clock=lambda: stored.now)


async def test_a_label_is_asked_for_once_in_a_while(stored: Stored, labels: Labels) -> None:
    assert await labels.of([ONE.id, UNKNOWN]) == {ONE.id: ONE, UNKNOWN: None}
    assert await labels.of([ONE.id, OTHER.id, UNKNOWN]) == {
        ONE.id: ONE,
        OTHER.id: OTHER,
        UNKNOWN: None,
    }
    assert stored.asked == [{ONE.id, UNKNOWN}, {OTHER.id}]
    stored.labels[ONE.id] = changed = CommandLabel(ONE.id, "changed", "mail")
    stored.now = FRESH_SECONDS
    assert await labels.of([ONE.id]) == {ONE.id: changed}
    assert await labels.of([]) == {}


async def test_what_is_changed_here_is_known_at_once(stored: Stored, labels: Labels) -> None:
    changed = CommandLabel(ONE.id, "changed", "mail")
    await labels.of([ONE.id, OTHER.id])
    labels.note(changed)
    labels.forget(OTHER.id)
    assert await labels.of([ONE.id, OTHER.id]) == {ONE.id: changed, OTHER.id: None}
    assert len(stored.asked) == 1


async def test_while_the_database_is_away_what_it_said_is_known(
    stored: Stored, labels: Labels
) -> None:
    await labels.of([ONE.id])
    stored.away = True
    for _ in range(3):
        stored.now += FRESH_SECONDS
        assert await labels.of([ONE.id]) == {ONE.id: ONE}
    labels.note(OTHER)
    assert await labels.of([ONE.id, OTHER.id]) == {ONE.id: ONE, OTHER.id: OTHER}
    with pytest.raises(DatabaseUnavailableError):
        await labels.of([ONE.id, UNKNOWN])


async def test_what_is_remembered_is_bounded(stored: Stored, labels: Labels) -> None:
    await labels.of([uuid4() for _ in range(MAX_REMEMBERED + 1)])
    await labels.of([ONE.id])
    await labels.of([ONE.id])
    assert len(stored.asked) == 2
    await labels.of([UNKNOWN])
    assert stored.asked[2:] == [{UNKNOWN}]
