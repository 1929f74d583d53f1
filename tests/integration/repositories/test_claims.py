"""Claims of the runs of pools, on a real PostgreSQL."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
import pytest

from server.definition import Beyond, Cause, CauseKind, Concurrency, NewRun, Notify, Options
from server.models import Advance, RequestKey, Run, RunEnd, RunState
from server.repositories.claims import CLAIM, ClaimRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.ends import EndRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.repositories.turns import TurnRepository
from tests.support.access import BY
from tests.support.postgres import until_a_statement_waits
from tests.support.workers import add_worker, silence

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
MANY = 1000
BY_RETRY = Cause(kind=CauseKind.RETRY)
STOPPED = RunEnd(RunState.STOPPED, NOW)


class Ledger:
    """Runs of pools, and who claims them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.commands = CommandRepository(database)
        self.runs = RunRepository(database)
        self.claims = ClaimRepository(database)

    async def run(self, *, released: bool = True, options: Any = None, **new: Any) -> Run:
        """Store a run of the pool `build`, and let workers have it."""
        said = Options(**{"pool": "build", **(options or {})})
        command = await self.commands.add("name", None, "true", options=said, by=BY)
        run = await self.runs.add(
            command.id, "true", "server", new=NewRun(options=said, **new), by=BY
        )
        if released:
            await self.claims.release([run.id])
        return run

    async def claim(self, host: str = "worker", **asked: Any) -> list[Run]:
        usual: dict[str, Any] = {"pools": ["build"], "labels": [], "places": MANY, "limit": MANY}
        return [*await self.claims.claim(host, **usual | asked)]


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    return Ledger(database)


async def test_a_run_of_a_pool_is_no_hosts_until_it_is_claimed(ledger: Ledger) -> None:
    stored = await ledger.run(options={"requires": ("arch=arm64",)})
    assert (stored.host, stored.pool, stored.requires) == (None, "build", ("arch=arm64",))
    [claimed] = await ledger.claim(labels=["arch=arm64", "disk=ssd"])
    assert (claimed.id, claimed.host, claimed.epoch) == (stored.id, "worker", stored.epoch + 1)
    assert await ledger.runs.active("worker") == [claimed]
    assert await ledger.claim(labels=["arch=arm64"]) == []


async def test_labels_alone_ask_for_a_worker_of_the_default_pool(ledger: Ledger) -> None:
    run = await ledger.run(options={"pool": None, "requires": ("gpu=yes",)})
    assert (run.host, run.pool) == (None, "default")
    assert len(await ledger.claim(pools=["default"], labels=["gpu=yes"])) == 1


async def test_a_run_without_a_pool_is_its_servers_and_nobody_claims_it(ledger: Ledger) -> None:
    command = await ledger.commands.add("name", None, "true", by=BY)
    run = await ledger.runs.add(command.id, "true", "server", by=BY)
    assert (run.host, run.pool, run.requires, run.held_at) == ("server", None, (), None)
    assert await ledger.claim() == []


@pytest.mark.parametrize(
    ("pools", "labels", "claimed"),
    [
        (["build"], ["os=linux", "disk=ssd"], 1),
        (["docs", "build"], ["disk=ssd", "os=linux", "x=y"], 1),
        (["build"], ["os=linux"], 0),
        (["build"], ["os=linux", "disk=hdd"], 0),
        (["docs"], ["os=linux", "disk=ssd"], 0),
        ([], ["os=linux", "disk=ssd"], 0),
    ],
)
async def test_who_claims_is_of_the_pool_and_has_all_labels(
    ledger: Ledger, pools: list[str], labels: list[str], claimed: int
) -> None:
    await ledger.run(options={"requires": ("os=linux", "disk=ssd")})
    assert len(await ledger.claim(pools=pools, labels=labels)) == claimed


async def test_the_oldest_are_claimed_first_and_no_more_than_asked_for(ledger: Ledger) -> None:
    stored = [await ledger.run() for _ in range(5)]
    claimed = [await ledger.claim(limit=2) for _ in range(3)]
    assert [[run.id for run in some] for some in claimed] == [
        [run.id for run in stored[:2]],
        [run.id for run in stored[2:4]],
        [stored[4].id],
    ]


async def test_nobody_claims_more_than_it_has_places_for(ledger: Ledger) -> None:
    """Whatever it has already counts: what it claimed, and what is its own."""
    command = await ledger.commands.add("name", None, "true", by=BY)
    await ledger.runs.add(command.id, "true", "worker", by=BY)
    for _ in range(6):
        await ledger.run()
    assert len(await ledger.claim(places=3)) == 2
    assert await ledger.claim(places=3) == []
    ended = (await ledger.runs.active("worker"))[-1]
    end = Advance(ended.id, ended.epoch, 0, 0, 0, end=RunEnd(RunState.SUCCEEDED, NOW))
    await OutputRepository(ledger.database).append([end])
    assert len(await ledger.claim(places=3)) == 1
    assert await ledger.claim(places=1) == []


async def test_a_known_worker_claims_within_its_lease_what_its_row_says(
    ledger: Ledger, database: Database
) -> None:
    for requires in ((), ("os=linux",), ("os=bsd",)):
        await ledger.run(options={"requires": requires})
    claims = ledger.claims
    assert await claims.claim_within_lease("w", MANY) == []  # nobody knows it
    await add_worker(database, "w", labels=["os=linux"], places=1)
    for state in ("draining", "removed"):
        await database.fetch_all(f"UPDATE workers SET state = '{state}' RETURNING id")  # noqa: S608
        assert await claims.claim_within_lease("w", MANY) == []
    await database.fetch_all("UPDATE workers SET state = 'active' RETURNING id")
    await silence(database, "w", 31)
    assert await claims.claim_within_lease("w", MANY) == []
    await silence(database, "w", 29)
    assert len(await claims.claim_within_lease("w", MANY)) == 1
    assert await claims.claim_within_lease("w", MANY) == []  # it has one place
    await add_worker(database, "w", places=5)
    [second] = await claims.claim_within_lease("w", MANY)
    assert (second.host, second.requires) == ("w", ("os=linux",))
    await database.fetch_all("UPDATE workers SET pools = '{other}' RETURNING id")
    assert await claims.claim_within_lease("w", MANY) == []


@contextmanager
def claiming(database_url: str, host: str, **asked: Any) -> Iterator[list[Any]]:
    """Claim runs by a statement that is not committed before the end; yield their ids."""
    usual = {"pools": ["build"], "labels": [], "places": MANY, "limit": MANY}
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(CLAIM, {"host": host, **usual, **asked})
        yield [UUID(row[0]) for row in cursor.fetchall()]
        connection.commit()


async def test_claims_of_one_host_at_once_go_not_beyond_its_places(
    ledger: Ledger, database_url: str
) -> None:
    for _ in range(5):
        await ledger.run()
    with claiming(database_url, "worker", places=3, limit=2) as first:
        second = asyncio.create_task(ledger.claim("worker", places=3))
        await until_a_statement_waits(ledger.database)
    assert (len(first), len(await second)) == (2, 1)


async def test_hosts_do_not_wait_for_what_another_is_about_to_claim(
    ledger: Ledger, database_url: str
) -> None:
    stored = [await ledger.run() for _ in range(4)]
    with claiming(database_url, "worker", limit=2) as first:
        second = [run.id for run in await ledger.claim("other", limit=2)]
    assert [sorted(first), second] == [
        sorted(run.id for run in stored[:2]),
        [run.id for run in stored[2:]],
    ]


async def test_hosts_that_claim_at_once_get_each_run_once_and_leave_none(
    ledger: Ledger, database_url: str
) -> None:
    """Two connections, many tasks, while runs are stored and released."""
    hosts = [Database(database_url, max_connections=2) for _ in range(2)]
    for host in hosts:
        await host.open()
    stored: list[Run] = []
    got: list[Run] = []

    async def store() -> None:
        stored.append(await ledger.run())

    async def claim(number: int) -> None:
        claims = ClaimRepository(hosts[number % 2])
        got.extend(
            await claims.claim(
                f"host {number % 2}",
                pools=["build"],
                labels=[],
                places=MANY,
                limit=random.randint(1, 4),
            )
        )

    work = [*(store() for _ in range(60)), *(claim(n) for n in range(80))]
    random.shuffle(work)
    await asyncio.gather(*work)
    while (rest := await ledger.claim("host 0", limit=7)) != []:
        got.extend(rest)
    assert len(got) == len({run.id for run in got})
    assert {run.id for run in got} == {run.id for run in stored}
    for host in hosts:
        await host.close()


async def test_a_run_by_hand_is_held_until_its_server_knows_that_it_is_stored(
    ledger: Ledger,
) -> None:
    run = await ledger.run(released=False)
    assert run.held_at is not None
    assert await ledger.claim() == []
    await ledger.claims.release([run.id])
    assert (await ledger.runs.get(run.id)).held_at is None
    assert [one.id for one in await ledger.claim()] == [run.id]
    await ledger.claims.release([run.id])


async def test_all_who_release_at_the_same_time_share_a_statement(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [await ledger.run(released=False) for _ in range(10)]
    statements = []
    fetch_all = ledger.database.fetch_all

    async def count(sql: str, parameters: Any) -> list[Any]:
        statements.append(sorted(parameters["ids"]))
        return await fetch_all(sql, parameters)

    monkeypatch.setattr(ledger.database, "fetch_all", count)
    await asyncio.gather(*(ledger.claims.release([run.id]) for run in runs))
    monkeypatch.undo()
    assert statements == [[runs[0].id], sorted(run.id for run in runs[1:])]
    assert len(await ledger.claim()) == 10


async def test_a_first_run_is_held_like_any_other(ledger: Ledger) -> None:
    new = NewRun(options=Options(pool="build", requires=("a=b",)))
    for request in (None, RequestKey("key", b"fingerprint")):
        _, run = await ledger.commands.add_with_run(
            "name", None, "true", host="server", new=new, by=BY, request=request
        )
        assert (run.host, run.pool, run.requires) == (None, "build", ("a=b",))
        assert run.held_at is not None
    _, run = await ledger.commands.add_with_run("name", None, "true", host="server", by=BY)
    assert (run.host, run.pool, run.held_at) == ("server", None, None)


async def test_what_nobody_asked_for_by_hand_is_not_held(ledger: Ledger) -> None:
    """Its storing needs no confirmation: it is started in any case."""
    run = await ledger.run(released=False, cause=BY_RETRY)
    assert [one.id for one in await ledger.claim()] == [run.id]


async def test_what_was_never_confirmed_ends_after_a_while(ledger: Ledger) -> None:
    old, new, released = [await ledger.run(released=number == 2) for number in range(3)]
    aged = "UPDATE commands_info SET held_at = held_at - interval '61 s' WHERE id = %(id)s"
    await ledger.database.fetch_all(f"{aged} RETURNING id", {"id": old.id})
    [found] = await ledger.runs.unconfirmed("any server", 60)
    assert found.id == old.id
    ended = await ledger.claims.end_held(old.id, STOPPED)
    assert ended is not None
    assert (ended.id, ended.state) == (old.id, RunState.STOPPED)
    for run in (old, released):
        assert await ledger.claims.end_held(run.id, STOPPED) is None
    await ledger.claims.release([old.id, new.id])
    assert [run.id for run in await ledger.claim()] == [new.id, released.id]


async def test_a_run_that_waits_for_its_time_is_not_claimed(ledger: Ledger) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    await ledger.run(not_before=later)
    assert await ledger.claim() == []


async def test_a_run_that_waits_for_its_turn_is_claimed_once_it_has_it(ledger: Ledger) -> None:
    said = {"concurrency": Concurrency(limit=1, beyond=Beyond.QUEUE)}
    first = await ledger.run(options=said)
    second = await ledger.runs.add(
        first.command_id, "true", "server", new=NewRun(options=first.options), by=BY
    )
    await ledger.claims.release([second.id])
    assert [run.id for run in await ledger.claim()] == [first.id]
    turns = TurnRepository(ledger.database)

    async def turn() -> set[Any]:
        return await turns.claim([first.command_id], [second.id], "", datetime.now(UTC))

    assert await turn() == set()
    assert await ledger.claim() == []
    end = Advance(first.id, 2, 0, 0, 0, end=RunEnd(RunState.SUCCEEDED, NOW))
    await OutputRepository(ledger.database).append([end])
    assert await turn() == {second.id}
    assert [run.id for run in await ledger.claim()] == [second.id]


async def test_a_run_of_a_pool_stands_in_line_before_those_of_hosts(ledger: Ledger) -> None:
    """A run that no host has yet has precedence like one of another host."""
    concurrency = Concurrency(limit=1)
    first = await ledger.run(options={"concurrency": concurrency})
    second, own = [
        await ledger.runs.add(
            first.command_id, "true", "server", new=NewRun(options=options), by=BY
        )
        for options in (first.options, Options(concurrency=concurrency))
    ]
    await ledger.claims.end(first.id, STOPPED)
    turns = TurnRepository(ledger.database)
    command = [first.command_id]
    assert await turns.claim(command, [own.id], "server", datetime.now(UTC)) == set()
    assert await turns.claim(command, [second.id], "", datetime.now(UTC)) == {second.id}


async def test_only_what_nobody_has_claimed_is_ended(ledger: Ledger) -> None:
    claimed = await ledger.run()
    await ledger.claim()
    waiting, held = await ledger.run(), await ledger.run(released=False)
    assert await ledger.claims.end(claimed.id, STOPPED) is None
    for run in (waiting, held):
        ended = await ledger.claims.end(run.id, STOPPED)
        assert ended is not None
        assert (ended.state, ended.end_time) == (RunState.STOPPED, NOW)
        assert await ledger.claims.end(run.id, STOPPED) is None
    assert await ledger.claim() == []
    assert (await ledger.runs.get(claimed.id)).state is RunState.QUEUED


async def test_the_end_of_a_run_that_nobody_claimed_is_followed(ledger: Ledger) -> None:
    """It is no host's: any server makes what follows, one of them."""
    run = await ledger.run(options={"notify": (Notify(target="chat", on=frozenset(["failed"])),)})
    assert await ledger.claims.end(run.id, STOPPED) is not None
    ends = EndRepository(ledger.database)
    for host in ("server", "other"):
        assert [ended.run.id for ended in await ends.due(host, 9)] == [run.id]


@pytest.mark.parametrize("pool", [None, "default"])
async def test_what_names_no_pool_is_the_servers_or_waits_in_the_pool_that_it_has_for_it(
    ledger: Ledger, pool: str | None
) -> None:
    command = await ledger.commands.add("name", None, "true", by=BY)
    first = await ledger.runs.add(command.id, "true", "server", new=NewRun(pool=pool), by=BY)
    assert (first.host, first.pool) == (None if pool else "server", pool)
    with_command = await ledger.commands.add_with_run(
        "name", None, "true", host="server", new=NewRun(pool=pool), by=BY
    )
    assert (with_command[1].host, with_command[1].pool) == (first.host, pool)


async def test_a_retry_of_a_run_of_no_pool_waits_where_its_server_runs_nothing_itself(
    ledger: Ledger,
) -> None:
    options = Options(notify=(Notify(target="chat", on=frozenset(["failed"])),))
    command = await ledger.commands.add("name", None, "true", options=options, by=BY)
    new = NewRun(options=options)
    run = await ledger.runs.add(command.id, "true", "server", new=new, by=BY)
    assert await ledger.runs.finish_queued(run.id, STOPPED)
    retry = NewRun(cause=BY_RETRY, attempt=2, retry_of=run.id, pool="default")
    ends = EndRepository(ledger.database)
    retried = await ends.take(run, retry=retry, told=(), host="server", by=BY)
    assert retried is not None
    assert (retried.host, retried.pool, retried.retry_of) == (None, "default", run.id)
