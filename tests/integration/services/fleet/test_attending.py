"""Workers get a lease by saying hello, and keep it by beating, in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from server.errors import DatabaseUnavailableError, ForbiddenError, NotFoundError
from server.repositories.database.database import Database
from server.repositories.workers import MAX_STOPS, WorkerRepository
from server.services.fleet.attending import Attending, OwnHost
from server.services.fleet.lease import Lease
from server.services.tasks import Tasks
from server.wire.messages import Beat, Hello, Standing, WorkerState
from tests.support.workers import add_worker, silence

HELLO = Hello(name="one", version="1.2", pools=("build",), labels=("os=linux",), places=3)
"""What the host inside a server says of itself, which counts."""

LIES = Hello(name="two", version="1.2", pools=("prod",), labels=("os=plan9",), places=300)
"""What a worker says, of which its version counts alone."""

STANDING = Standing(
    state=WorkerState.ACTIVE,
    lease_seconds=30,
    beat_seconds=5,
    pools=("build",),
    labels=("os=linux",),
    places=3,
)


@pytest.fixture
def workers(database: Database) -> WorkerRepository:
    return WorkerRepository(database)


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    assert not tasks.failed.is_set()
    await tasks.cancel()


async def let_in(database: Database, *hosts: str) -> None:
    for host in hosts:
        await add_worker(database, host, name="one", pools=["build"], labels=["os=linux"], places=3)


@pytest.fixture
async def attending(workers: WorkerRepository, tasks: Tasks, database: Database) -> Attending:
    await let_in(database, "w")
    return Attending(workers, Lease(30), tasks, gather_seconds=0.05)


async def lease_of(workers: WorkerRepository) -> tuple[float, bool]:
    """Return how long the lease of the one worker is, and whether it lasts."""
    [(worker, within_lease)] = await workers.list()
    return (worker.lease_until - worker.seen_at).total_seconds(), within_lease


async def set_state(database: Database, state: WorkerState) -> None:
    await database.fetch_all("UPDATE workers SET state = %(state)s RETURNING id", {"state": state})


async def test_a_worker_that_says_hello_has_a_lease(
    attending: Attending, workers: WorkerRepository
) -> None:
    assert await attending.hello("w", LIES) == STANDING
    assert await lease_of(workers) == (30, True)
    [(worker, _)] = await workers.list()
    assert worker.role == "worker"


async def test_a_beat_begins_the_lease_anew(
    attending: Attending, workers: WorkerRepository, database: Database
) -> None:
    await attending.hello("w", LIES)
    await silence(database, "w", 31)
    assert await lease_of(workers) == (30, False)
    assert await attending.beat("w", Beat()) == STANDING
    assert await lease_of(workers) == (30, True)


async def test_a_lease_never_becomes_shorter(
    attending: Attending, workers: WorkerRepository, tasks: Tasks
) -> None:
    """Its host counts on what it was told, whatever another server is set to."""
    shorter = Attending(workers, Lease(12), tasks, gather_seconds=0)
    await attending.hello("w", LIES)
    assert (await shorter.beat("w", Beat())).lease_seconds == 12
    assert (await shorter.hello("w", LIES)).lease_seconds == 12
    assert (await lease_of(workers))[0] == pytest.approx(30, abs=5)
    host = OwnHost("w", shorter)
    await host.ask(HELLO)
    await host.ask(Beat())
    assert (await lease_of(workers))[0] == pytest.approx(30, abs=5)


@pytest.mark.parametrize(
    ("lease_seconds", "beat_seconds"), [(12, 1), (20, 3), (30, 5), (90, 15), (3600, 15)]
)
def test_a_lease_outlasts_four_beats_and_their_time_outs(
    lease_seconds: float, beat_seconds: float
) -> None:
    assert Lease(lease_seconds).beat_seconds == beat_seconds
    assert lease_seconds >= 4 * (beat_seconds + 2)


async def test_the_host_inside_a_server_is_known_as_workers_are(
    attending: Attending, workers: WorkerRepository, database: Database
) -> None:
    host = OwnHost("s", attending)
    assert await host.ask(HELLO) == STANDING
    [server] = [one for one, _ in await workers.list() if one.id == "s"]
    within_lease = server.lease_until > server.seen_at
    assert (server.id, server.role, server.name, within_lease) == ("s", "server", "one", True)
    await set_state(database, WorkerState.DRAINING)
    assert (await host.ask(HELLO)).state is WorkerState.DRAINING
    await set_state(database, WorkerState.REMOVED)
    with pytest.raises(ForbiddenError):
        await host.ask(Beat())
    assert (await host.ask(HELLO)).state is WorkerState.ACTIVE  # it has the database


async def test_of_what_a_worker_says_its_version_counts_alone(
    attending: Attending, workers: WorkerRepository
) -> None:
    [(first, _)] = await workers.list()
    assert await attending.hello("w", LIES) == STANDING
    [(worker, _)] = await workers.list()
    assert worker == replace(
        first, version="1.2", seen_at=worker.seen_at, lease_until=worker.lease_until
    )


async def test_a_worker_that_is_not_enrolled_is_told_how_it_is(
    attending: Attending, workers: WorkerRepository
) -> None:
    before = await workers.list()
    with pytest.raises(ForbiddenError, match=r"no worker stranger\. `tailrun worker enroll URL"):
        await attending.hello("stranger", HELLO)
    assert await workers.list() == before


async def test_beats_that_come_together_are_one_statement(
    attending: Attending,
    workers: WorkerRepository,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = [f"w{number}" for number in range(50)]
    await let_in(database, *hosts)
    for host in hosts:
        await attending.hello(host, LIES)
    asked: list[Any] = []
    beat = workers.beat

    async def count(said: Any, seconds: float) -> Any:
        asked.append(sorted(host for host, _ in said))
        return await beat(said, seconds)

    monkeypatch.setattr(workers, "beat", count)
    found = await asyncio.gather(*(attending.beat(host, Beat()) for host in [*hosts, "w0"]))
    assert found == [STANDING] * 51
    assert asked == [sorted(hosts)]
    await attending.beat("w1", Beat())
    assert asked[1:] == [["w1"]]


async def test_a_beat_of_nobody_known_is_told_so_and_harms_no_other(attending: Attending) -> None:
    await attending.hello("w", LIES)
    known, unknown = await asyncio.gather(
        attending.beat("w", Beat()), attending.beat("x", Beat()), return_exceptions=True
    )
    assert known == STANDING
    assert isinstance(unknown, NotFoundError)


async def test_a_removed_worker_is_not_let_in_again(
    attending: Attending, workers: WorkerRepository, database: Database
) -> None:
    await attending.hello("w", LIES)
    await silence(database, "w", 29)
    await set_state(database, WorkerState.REMOVED)
    [(before, _)] = await workers.list()
    with pytest.raises(ForbiddenError):
        await attending.beat("w", Beat())
    [(after, _)] = await workers.list()
    assert after == before  # its lease is not prolonged
    with pytest.raises(ForbiddenError):
        await attending.hello("w", LIES)


async def test_a_draining_worker_keeps_its_lease(
    attending: Attending, workers: WorkerRepository, database: Database
) -> None:
    await attending.hello("w", LIES)
    await set_state(database, WorkerState.DRAINING)
    await silence(database, "w", 31)
    assert (await attending.beat("w", Beat())).state is WorkerState.DRAINING
    assert await lease_of(workers) == (30, True)


async def test_a_beat_that_cannot_be_stored_is_not_answered_as_if_it_were(
    attending: Attending, database: Database
) -> None:
    await attending.hello("w", LIES)
    await database.close()
    found = await asyncio.gather(
        *(attending.beat("w", Beat()) for _ in range(2)), return_exceptions=True
    )
    assert [type(one) for one in found] == [DatabaseUnavailableError] * 2


async def test_who_breaks_off_its_beat_breaks_off_no_other(attending: Attending) -> None:
    await attending.hello("w", LIES)
    first = asyncio.create_task(attending.beat("w", Beat()))
    second = asyncio.create_task(attending.beat("w", Beat()))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == STANDING


async def test_of_one_that_beats_all_the_time_no_more_is_stored(
    attending: Attending, workers: WorkerRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    await attending.hello("w", LIES)
    noted: list[Any] = []

    async def note(stopped: Any) -> None:
        noted.extend(stopped)

    monkeypatch.setattr(workers, "note_stopped", note)
    said = [Beat(stopped=frozenset(uuid4() for _ in range(MAX_STOPS))) for _ in range(3)]
    assert await asyncio.gather(*(attending.beat("w", one) for one in said)) == [STANDING] * 3
    assert len(noted) == MAX_STOPS
