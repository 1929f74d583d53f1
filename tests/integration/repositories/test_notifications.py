"""What is to be told is claimed a target at a time, however much waits for one of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.notifications import Notification, NotificationFilter, NotificationState
from server.repositories.database.database import Database
from server.repositories.notifications import CLAIM, NEXT, NotificationRepository
from tests.support.postgres import execute

LEASE = timedelta(seconds=90)
WAITING = 10_000
MANY = (
    """
    INSERT INTO commands (name, script, created_at) VALUES ('night job', 'true', now())
    """,
    """
    INSERT INTO notifications (id, created_at, commands_id, target, occasion, next_try_at)
    SELECT gen_random_uuid(), now() - interval '2 hours', c.id, 'dead', 'failed',
        now() - n * interval '1 second'
    FROM commands c, generate_series(1, 10000) n
    """,
    """
    INSERT INTO notifications (id, created_at, commands_id, target, occasion, next_try_at)
    SELECT gen_random_uuid(), now(), c.id, target, 'failed', now() - n * interval '1 second'
    FROM commands c, unnest(ARRAY['chat', 'mail']) target, generate_series(1, 2) n
    """,
    "ANALYZE notifications",
)


@pytest.fixture
def repository(database_url: str, database: Database) -> NotificationRepository:
    """Store thousands that wait for one target, and two for each of two others."""
    execute(database_url, *MANY)
    return NotificationRepository(database)


async def claim(
    repository: NotificationRepository, limit: int = 16, **given: Any
) -> list[Notification]:
    asked: dict[str, Any] = {"host": "here", "but": (), **given}
    return await repository.claim(limit=limit, lease=LEASE, **asked)


async def test_one_of_each_target_is_claimed_those_that_fail_last(
    repository: NotificationRepository,
) -> None:
    assert {one.target for one in await claim(repository)} == {"chat", "dead", "mail"}
    doubtful: dict[str, Any] = {"doubtful": {"dead"}, "doubtful_limit": 8}
    assert {one.target for one in await claim(repository, 2, **doubtful)} == {"chat", "mail"}
    assert [one.target for one in await claim(repository, **doubtful)] == ["dead"]
    assert await claim(repository, doubtful={"dead"}) == []
    assert await claim(repository, but={"dead"}) == []


async def test_when_the_next_is_due_leaves_out_whom_it_is_asked_to(
    repository: NotificationRepository,
) -> None:
    now = datetime.now(UTC)
    due = await repository.next_due(but=())
    assert due is not None
    assert due < now - timedelta(seconds=WAITING - 1)
    due = await repository.next_due(but={"dead"})
    assert due is not None
    assert due > now - timedelta(minutes=1)
    assert await repository.next_due(but={"dead", "chat", "mail"}) is None


@pytest.mark.usefixtures("repository")
async def test_thousands_that_wait_are_not_read_through(database: Database) -> None:
    """A claim and a look read a few pages of an index for each target."""
    given = {
        "now": datetime.now(UTC),
        "host": "here",
        "but": ["chat"],
        "doubtful": ["dead"],
        "doubtful_limit": 8,
        "limit": 16,
        "lease": LEASE,
    }
    for sql in (CLAIM, NEXT):
        rows = await database.fetch_all(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", given)
        plan = [line for (line,) in rows]
        assert not any("Seq Scan" in line for line in plan), plan
        read = next(line for line in plan if "Buffers:" in line)
        pages = sum(int(part.partition("=")[2]) for part in read.split() if "=" in part)
        assert pages < 200, plan


async def test_what_has_waited_long_for_a_target_that_is_away_is_given_up_together(
    repository: NotificationRepository,
) -> None:
    [claimed] = [one for one in await claim(repository, host="another") if one.target == "dead"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await repository.give_up("dead", "It\0does not answer.", before=hour_ago)
    await repository.give_up("chat", "It does not answer.", before=hour_ago)

    async def count(target: str, state: NotificationState) -> int:
        asked = NotificationFilter(target=target, state=state)
        page = await repository.list(asked, groups=None, limit=WAITING + 1)
        return len(page.items)

    assert await count("dead", NotificationState.GIVEN_UP) == WAITING - 1
    assert await count("dead", NotificationState.WAITING) == 1  # of it somebody makes an attempt
    assert await count("chat", NotificationState.WAITING) == 2
    await repository.delivered(claimed.id)
    assert await count("dead", NotificationState.DELIVERED) == 1
