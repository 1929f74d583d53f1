"""Workers get a lease by saying hello, and keep it by beating, in PostgreSQL."""

import asyncio
from typing import Any

import pytest

from server.errors import DatabaseUnavailableError, ForbiddenError, NotFoundError
from server.repositories.database.database import Database
from server.repositories.workers import WorkerRepository
from server.services.fleet.attending import BEAT_SECONDS, LEASE_SECONDS, Attending
from server.services.fleet.roster import Allowed
from server.wire.messages import Beat, Hello, Standing, WorkerState

HELLO = Hello(name="one", version="1.2", pools=("build",), labels=("os=linux",), places=3)
STANDING = Standing(
    state=WorkerState.ACTIVE,
    lease_seconds=LEASE_SECONDS,
    beat_seconds=BEAT_SECONDS,
    pools=("build",),
    labels=("os=linux",),
    places=3,
)


@pytest.fixture
def workers(database: Database) -> WorkerRepository:
    return WorkerRepository(database)


@pytest.fixture
def attending(workers: WorkerRepository) -> Attending:
    return Attending(workers, gather_seconds=0.05)


async def set_state(database: Database, state: WorkerState) -> None:
    await database.fetch_all("UPDATE workers SET state = %(state)s RETURNING id", {"state": state})


async def test_a_worker_that_says_hello_may_claim_what_it_says(attending: Attending) -> None:
    assert await attending.allowed("w") is None
    assert await attending.hello("w", HELLO) == STANDING
    assert await attending.allowed("w") == Allowed(("build",), ("os=linux",), 3)


async def test_a_lease_that_is_over_lets_nobody_claim_until_the_next_beat(
    attending: Attending, database: Database
) -> None:
    await attending.hello("w", HELLO)
    await database.fetch_all("UPDATE workers SET lease_until = now() RETURNING id")
    assert await attending.allowed("w") is None
    assert await attending.beat("w", Beat(running=1)) == STANDING
    assert await attending.allowed("w") is not None


async def test_what_a_worker_says_later_counts(
    attending: Attending, workers: WorkerRepository
) -> None:
    await attending.hello("w", HELLO)
    [(first, _)] = await workers.list()
    await attending.hello("w", Hello(name="two", version="2", places=-1))
    [(worker, _)] = await workers.list()
    assert (worker.name, worker.version, worker.pools, worker.places) == ("two", "2", (), 0)
    assert worker.first_seen_at == first.first_seen_at


async def test_beats_that_come_together_are_one_statement(
    attending: Attending, workers: WorkerRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [f"w{number}" for number in range(50)]
    for host in hosts:
        await attending.hello(host, HELLO)
    asked: list[Any] = []
    beat = workers.beat

    async def count(ids: Any, seconds: float) -> Any:
        asked.append(sorted(ids))
        return await beat(ids, seconds)

    monkeypatch.setattr(workers, "beat", count)
    found = await asyncio.gather(*(attending.beat(host, Beat()) for host in [*hosts, "w0"]))
    assert found == [STANDING] * 51
    assert asked == [sorted(hosts)]
    await attending.beat("w1", Beat())
    assert asked[1:] == [["w1"]]


async def test_a_beat_of_nobody_known_is_told_so_and_harms_no_other(attending: Attending) -> None:
    await attending.hello("w", HELLO)
    known, unknown = await asyncio.gather(
        attending.beat("w", Beat()), attending.beat("x", Beat()), return_exceptions=True
    )
    assert known == STANDING
    assert isinstance(unknown, NotFoundError)


async def test_a_removed_worker_is_not_let_in_again(
    attending: Attending, database: Database
) -> None:
    await attending.hello("w", HELLO)
    await set_state(database, WorkerState.REMOVED)
    for asked in (attending.hello("w", HELLO), attending.beat("w", Beat())):
        with pytest.raises(ForbiddenError):
            await asked
    assert await attending.allowed("w") is None


async def test_a_draining_worker_gets_nothing_and_keeps_its_lease(
    attending: Attending, database: Database
) -> None:
    await attending.hello("w", HELLO)
    await set_state(database, WorkerState.DRAINING)
    assert (await attending.beat("w", Beat())).state is WorkerState.DRAINING
    assert await attending.allowed("w") is None


async def test_a_beat_that_cannot_be_stored_is_not_answered_as_if_it_were(
    attending: Attending, database: Database
) -> None:
    await attending.hello("w", HELLO)
    await database.close()
    found = await asyncio.gather(
        *(attending.beat("w", Beat()) for _ in range(2)), return_exceptions=True
    )
    assert [type(one) for one in found] == [DatabaseUnavailableError] * 2


async def test_who_breaks_off_its_beat_breaks_off_no_other(attending: Attending) -> None:
    await attending.hello("w", HELLO)
    first = asyncio.create_task(attending.beat("w", Beat()))
    second = asyncio.create_task(attending.beat("w", Beat()))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == STANDING
