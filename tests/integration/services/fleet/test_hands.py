"""What a worker asks of its ledger, through a real engine and a server's hands, in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from server.definition import Cause, CauseKind, NewRun, Options, Parameter, ParameterType
from server.errors import DatabaseRefusedError, DatabaseUnavailableError, RunNotFoundError
from server.models import Advance, Chunk, Position, Run, RunEnd, RunState
from server.repositories.claims import ClaimRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.fleet import hands as hands_module
from server.services.fleet.hands import Hands
from server.services.ledger.sql import SqlLedger
from server.services.ledger.wire import MAX_IDS, WireLedger
from server.wire import asking
from server.wire.asking import Servers
from server.wire.codec import encode
from server.wire.messages import Found, TakeOver
from server.wire.serving import serve_workers
from server.wire.values import parts_of
from tests.support.access import BY
from tests.support.nats import Nats, engine
from tests.support.wires import Connect
from tests.support.workers import add_worker, silence

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
ENDED = RunEnd(RunState.SUCCEEDED, NOW, exitcode=0)


class Fleet:
    """A server, and workers that it has let in, each with its ledger."""

    def __init__(self, database: Database, nats: Nats, connect: Connect) -> None:
        self.runs = RunRepository(database)
        self.outputs = OutputRepository(database)
        self.claims = ClaimRepository(database)
        self.commands = CommandRepository(database)
        self.database = database
        self.ledger_of: Callable[[str], SqlLedger] = lambda host: SqlLedger.of(host, database)
        self.max_bytes = 64 * 1024
        self.ends = 0
        self._database = database
        self._nats = nats
        self._connect = connect
        self._servers: dict[str, Servers] = {}

    async def worker(self, host: str, *, places: int = 100) -> WireLedger:
        """Return the ledger of a worker that is let in."""
        await add_worker(self.database, host, labels=["os=linux"], places=places)
        wire = await self._connect(self._nats.url, host)
        self._servers[host] = Servers(wire, host)
        return WireLedger(wire, self._servers[host])

    async def ask(self, host: str, request: object) -> Any:
        return await self._servers[host].ask(request)

    async def grow(self, run_id: UUID) -> None:
        """Have a run's script be larger than a message."""
        sql = "UPDATE commands_info SET script = repeat('#', 100000) WHERE id = %(id)s RETURNING id"
        await self._database.fetch_one(sql, {"id": run_id})

    async def run(self, script: str = "true", **new: Any) -> Run:
        """Store a run of the pool `build`."""
        options = replace(new.pop("options", Options()), pool="build")
        command = await self.commands.add("name", None, "true", options=options, by=BY)
        run = await self.runs.add(
            command.id, script, "server", new=NewRun(options=options, **new), by=BY
        )
        await self.claims.release([run.id])
        return run


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with engine(tmp_path, max_payload=64 * 1024) as running:
        yield running


@pytest.fixture
async def fleet(database: Database, nats: Nats, connect: Connect) -> AsyncIterator[Fleet]:
    fleet = Fleet(database, nats, connect)
    wire = await connect(nats.url, "server")
    hands = Hands(
        runs=fleet.runs,
        outputs=fleet.outputs,
        claims=fleet.claims,
        ledger_of=fleet.ledger_of,
        max_bytes=lambda: fleet.max_bytes,
    )

    def count() -> None:
        fleet.ends += 1

    hands.on_ended = count
    async with serve_workers(wire, hands.handlers):
        yield fleet


def step(run: Run, *, chunks: tuple[bytes, ...] = (), end: RunEnd | None = None) -> Advance:
    """Return the first step of a run, in chunks of a line each."""
    made = tuple(
        Chunk(10 * number, 10, number + 1, 1, NOW, data, b"m" * 16)
        for number, data in enumerate(chunks)
    )
    size = 10 * len(chunks)
    return Advance(
        run_id=run.id,
        epoch=run.epoch,
        from_offset=0,
        to_offset=size,
        to_lines=len(chunks),
        chunks=made,
        preview="x" * size,
        start_time=NOW,
        end=end,
    )


async def test_a_run_goes_from_its_claim_to_its_archived_end(fleet: Fleet) -> None:
    stored = await fleet.run("echo \N{SNOWMAN}", parameters={"A": "b", "N": 3})
    worker = await fleet.worker("w1")

    [claimed] = await worker.claim(10)

    assert (claimed.id, claimed.host, claimed.epoch) == (stored.id, "w1", stored.epoch + 1)
    assert claimed == await fleet.runs.get(stored.id)
    assert await worker.active() == [claimed]
    assert await worker.claim(10) == ()
    chunks = (b"\x00\xff", bytes(1000))
    assert await worker.append([step(claimed, chunks=chunks, end=ENDED)]) == {claimed.id}
    ended = await worker.get(claimed.id)
    assert (ended.state, ended.output_bytes, ended.exitcode) == (RunState.SUCCEEDED, 20, 0)
    assert [one.data for one in await fleet.outputs.chunks(ended.id, 0, 9)] == [*chunks]
    assert await worker.positions([ended.id]) == await fleet.outputs.positions([ended.id])
    assert await worker.times(ended.id) == await fleet.outputs.times(ended.id)
    assert await worker.append([step(claimed, end=ENDED)]) == set()
    assert fleet.ends == 1  # what follows it is made here


async def test_a_worker_without_a_place_or_without_a_lease_gets_nothing(fleet: Fleet) -> None:
    await fleet.run()
    worker = await fleet.worker("w1", places=0)
    assert await worker.claim(10) == ()
    await fleet.worker("w1")
    await silence(fleet.database, "w1", 31)
    assert await worker.claim(10) == ()
    await silence(fleet.database, "w1", 29)
    assert len(await worker.claim(10)) == 1


async def test_the_runs_of_others_do_not_exist_for_a_worker(fleet: Fleet) -> None:
    """A worker that was stolen reads nothing of them, and can end none."""
    stored = await fleet.run()
    thief, owner = await fleet.worker("thief"), await fleet.worker("owner")
    for run in (stored, (await owner.claim(1))[0]):
        for asked in (thief.get(run.id), thief.times(run.id)):
            with pytest.raises(RunNotFoundError):
                await asked
        with pytest.raises(RunNotFoundError):
            await thief.start_of(replace(run, cause=Cause(kind=CauseKind.HOOK)))
        assert await thief.positions([run.id]) == {}
        assert await fleet.ask("thief", TakeOver(epochs={run.id: run.epoch})) == await fleet.ask(
            "thief", TakeOver(epochs={})
        )
        assert await thief.append([step(run, end=ENDED)]) == set()
        assert not await thief.finish_queued(run.id, ENDED)
    assert await thief.active() == []
    assert await owner.append([step(run, end=ENDED)]) == {run.id}


async def test_a_run_is_started_with_its_secrets_and_what_its_hook_was_sent(fleet: Fleet) -> None:
    options = Options(parameters=(Parameter(name="KEY", type=ParameterType.SECRET),))
    await fleet.run(
        options=options,
        secrets={"KEY": "s\N{LATIN SMALL LETTER E WITH ACUTE}cret"},
        cause=Cause(kind=CauseKind.HOOK, id=uuid4()),
        hook_body=b"\x00\xff",
    )
    worker = await fleet.worker("w1")
    [run] = await worker.claim(1)

    data = await worker.start_of(run)

    assert data == await fleet.ledger_of("w1").start_of(run)
    assert (data.secrets, data.body) == ({"KEY": "s\u00e9cret"}, b"\x00\xff")
    plain = await worker.start_of(replace(run, options=Options(), cause=None))
    assert (plain.secrets, plain.body) == ({}, None)


async def test_a_take_over_that_comes_late_and_again_changes_nothing(fleet: Fleet) -> None:
    """Else it would raise the epoch behind the owner, who then gives up a run that is its own."""
    await fleet.run()
    worker = await fleet.worker("w1")
    [claimed] = await worker.claim(1)

    [position] = (await worker.take_over([claimed])).values()
    again = await fleet.ask("w1", TakeOver(epochs={claimed.id: claimed.epoch}))

    assert position.epoch == claimed.epoch + 1
    assert again.positions == {claimed.id: position}
    ours = position.applied_to(claimed)
    assert await worker.append([step(ours)]) == {claimed.id}
    old = await fleet.ask("w1", TakeOver(epochs={claimed.id: claimed.epoch - 1}))
    assert old.positions == {}


async def test_a_claim_without_an_answer_is_not_repeated_and_its_runs_are_found(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.5)
    await fleet.run()
    worker = await fleet.worker("w1")
    claim, asked = fleet.claims.claim_within_lease, []

    async def hang(host: str, limit: int, life: str | None) -> object:
        asked.append(host)
        await claim(host, limit, life)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(fleet.claims, "claim_within_lease", hang)
    with pytest.raises(DatabaseUnavailableError, match="claim was asked 1 times"):
        await worker.claim(1)

    assert asked == ["w1"]
    assert len(await worker.active()) == 1


async def test_a_worker_gets_all_its_runs_whose_scripts_fill_many_messages(fleet: Fleet) -> None:
    worker = await fleet.worker("w1")
    stored = [await fleet.run("#" * 20_000) for _ in range(7)]

    claimed = await worker.claim(100)

    assert sorted(run.id for run in claimed) == sorted(run.id for run in stored)
    runs = await worker.active()
    assert [run.id for run in runs] == [run.id for run in stored]
    assert all(run.script == "#" * 20_000 for run in runs)


async def test_a_worker_gets_all_its_runs_page_by_page(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands_module, "MAX_CLAIMED", 2)
    worker = await fleet.worker("w1")
    stored = [await fleet.run() for _ in range(5)]
    for _ in range(3):
        await worker.claim(2)

    assert [run.id for run in await worker.active()] == [run.id for run in stored]


async def test_a_page_of_runs_that_fit_into_no_message_is_not_the_end(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await fleet.worker("w1")
    stored = [await fleet.run() for _ in range(4)]
    await worker.claim(4)
    monkeypatch.setattr(hands_module, "MAX_CLAIMED", 1)
    *large, last = sorted(stored, key=lambda run: run.id)
    for run in large:
        await fleet.grow(run.id)

    assert [run.id for run in await worker.active()] == [last.id]


async def test_one_workers_bad_advance_keeps_none_of_the_others_from_moving(fleet: Fleet) -> None:
    workers = [await fleet.worker(f"w{number}", places=1) for number in range(6)]
    for _ in workers:
        await fleet.run()
    runs = [(await worker.claim(1))[0] for worker in workers]
    steps = [step(run, chunks=(bytes(10),)) for run in runs]
    steps[3] = replace(steps[3], to_lines=2**63)  # no row of the database holds that

    moved = await asyncio.gather(
        *(worker.append([one]) for worker, one in zip(workers, steps, strict=True)),
        return_exceptions=True,
    )

    assert isinstance(moved.pop(3), DatabaseRefusedError)
    assert moved == [{run.id} for run in runs if run is not runs[3]]


async def test_a_run_that_fits_into_no_message_ends_and_stands_in_nobodys_way(
    fleet: Fleet,
) -> None:
    large, small = await fleet.run("#" * 100_000), await fleet.run()
    worker = await fleet.worker("w1")

    assert [run.id for run in await worker.claim(100)] == [small.id]

    ended = await fleet.runs.get(large.id)
    assert ended.state is RunState.FAILED
    assert "max_payload" in (ended.reason or "")
    assert [run.id for run in await worker.active()] == [small.id]


async def test_a_run_that_goes_on_is_never_ended_because_it_fits_into_no_message(
    fleet: Fleet,
) -> None:
    """As where `max_payload` was lowered meanwhile: its script is not needed any more."""
    await fleet.run("#" * 40_000, parameters={"A": "b"})
    worker = await fleet.worker("w1")
    [claimed] = await worker.claim(1)
    assert await worker.append([step(claimed)]) == {claimed.id}

    fleet.max_bytes = 20_000
    [active] = await worker.active()

    assert (active.id, active.state, active.script) == (claimed.id, RunState.RUNNING, "")
    assert (await fleet.runs.get(claimed.id)).state is RunState.RUNNING


async def test_where_thousands_of_runs_stand_fits_into_messages_of_the_engines_default() -> None:
    stands = Position(2**31 - 1, 2**63 - 1, 2**63 - 1, RunState.RUNNING)
    found = Found(positions={uuid4(): stands for _ in range(MAX_IDS)})

    assert len(encode(parts_of(found))) <= 1024 * 1024


@pytest.mark.parametrize("chunks", [(), (Chunk(0, 2**31 - 1, 1, 1, NOW, b"", b""),)])
async def test_output_that_no_worker_archives_is_refused(
    fleet: Fleet, chunks: tuple[Chunk, ...]
) -> None:
    """A viewer's server would take two gigabytes of memory for such a chunk."""
    await fleet.run()
    worker = await fleet.worker("w1")
    [claimed] = await worker.claim(1)

    with pytest.raises(DatabaseRefusedError):
        await worker.append([replace(step(claimed), to_offset=2**31 - 1, chunks=chunks)])

    assert (await fleet.runs.get(claimed.id)).output_bytes == 0


async def test_what_is_too_much_for_a_message_is_archived_in_several(fleet: Fleet) -> None:
    await fleet.run()
    worker = await fleet.worker("w1")
    [claimed] = await worker.claim(1)
    chunks = tuple(bytes([number]) * 30_000 for number in range(6))

    assert await worker.append([step(claimed, chunks=chunks, end=ENDED)]) == {claimed.id}

    found = await fleet.outputs.chunks(claimed.id, 0, 9)
    assert [one.data for one in found] == [*chunks]
    assert (await fleet.runs.get(claimed.id)).output_lines == 6


async def test_a_chunk_that_fits_into_no_message_is_refused_alone(fleet: Fleet) -> None:
    await fleet.run()
    worker = await fleet.worker("w1")
    [claimed] = await worker.claim(1)

    with pytest.raises(DatabaseRefusedError, match="max_payload"):
        await worker.append([step(claimed, chunks=(bytes(100_000),))])


async def test_a_queued_run_is_ended_once(fleet: Fleet) -> None:
    await fleet.run()
    worker = await fleet.worker("w1")
    [claimed] = await worker.claim(1)
    end = RunEnd(RunState.STOPPED, NOW, reason="no")

    assert await worker.finish_queued(claimed.id, end)

    assert (await worker.get(claimed.id)).state is RunState.STOPPED
    assert not await worker.finish_queued(claimed.id, end)
    assert not await worker.finish_queued(uuid4(), end)


async def test_times_come_in_as_many_parts_as_it_takes(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.services.fleet.hands.TIME_BYTES", 32 * 1024)
    await fleet.run()
    worker = await fleet.worker("w1")
    [claimed] = await worker.claim(1)
    await worker.append([step(claimed, chunks=(b"a",) * 5)])

    times = await worker.times(claimed.id)

    assert times == await fleet.outputs.times(claimed.id)
    assert len(times) == 5


async def test_without_a_server_or_its_database_it_is_as_if_the_database_were_away(
    fleet: Fleet, database: Database, nats: Nats
) -> None:
    worker = await fleet.worker("w1")
    await database.close()
    with pytest.raises(DatabaseUnavailableError):
        await worker.active()
    await nats.kill()
    with pytest.raises(DatabaseUnavailableError, match="NATS"):
        await worker.active()
