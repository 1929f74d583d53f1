"""A worker as a process of its own, over a real engine: it runs what is stored, and has no more."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from server.definition import NewRun, Options
from server.errors import NoAnswerError, RunNotFollowedError
from server.models import Run, RunState
from server.repositories.claims import ClaimRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.archive.chunks import Chunks
from server.services.archive.reader import ArchivedOutput
from server.services.fleet.hands import Hands
from server.services.ledger.sql import SqlLedger
from server.wire.asking import Workers
from server.wire.bells import ring
from server.wire.connection import Wire
from server.wire.messages import Beat, Hello, Piece, Read, Standing, Stop, StopWanted, WorkerState
from server.wire.serving import FromWorker, serve_workers
from tests.support.access import BY
from tests.support.nats import Nats
from tests.support.waiting import until, until_true
from tests.support.wires import Connect
from tests.support.worker import Worker
from tests.support.workers import add_worker

POOLS = ("build",)


@dataclass
class Server:
    """What a server is for workers: hands on a database, and who is known."""

    database: Database
    wire: Wire
    lease_seconds: float = 30
    hellos: dict[str, Hello] = field(default_factory=dict)
    stops: list[StopWanted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commands = CommandRepository(self.database)
        self.runs = RunRepository(self.database)
        self.outputs = OutputRepository(self.database)
        self.claims = ClaimRepository(self.database)
        self.workers = Workers(self.wire)

    async def hello(self, host: str, hello: Hello) -> Standing:
        self.hellos[host] = hello
        await add_worker(self.database, host, pools=POOLS, places=hello.places)
        return self._standing(hello)

    async def beat(self, host: str, _: Beat) -> Standing:
        return self._standing(self.hellos[host])

    def _standing(self, hello: Hello) -> Standing:
        return Standing(
            state=WorkerState.ACTIVE,
            lease_seconds=self.lease_seconds,
            beat_seconds=0.2,
            pools=POOLS,
            places=hello.places,
            stops=tuple(self.stops),
        )

    async def start(self, script: str, **options: Any) -> Run:
        """Store a run of the pool `build`, and wake a worker."""
        said = Options(pool="build", **options)
        command = await self.commands.add("name", None, script, options=said, by=BY)
        run = await self.runs.add(command.id, script, "server", new=NewRun(options=said), by=BY)
        await self.claims.release([run.id])
        await ring(self.wire, "build")
        return run

    async def ended(self, run: Run) -> Run:
        async def has_ended() -> bool:
            return (await self.runs.get(run.id)).state.final

        await until_true(has_ended)
        return await self.runs.get(run.id)

    async def output(self, run: Run) -> bytes:
        """Return all that is archived."""
        output = ArchivedOutput(await self.runs.get(run.id), Chunks(self.outputs))
        data = b""
        while piece := await output.read(len(data), 1 << 20):
            data += piece
        return data

    async def going(self, run: Run) -> None:
        """Wait until a worker has the run, and has started it."""

        async def has_output() -> bool:
            with suppress(RunNotFollowedError, NoAnswerError):
                return (await self.read(run)).seen.has_output
            return False

        await until_true(has_output)

    async def gone(self, run: Run) -> None:
        """Wait until its worker has forgotten a run: what is stored of it counts from then on."""

        async def is_forgotten() -> bool:
            try:
                await self.read(run)
            except RunNotFollowedError:
                return True
            return False

        await until_true(is_forgotten)

    async def read(self, run: Run, offset: int = 0) -> Piece:
        """Read the output of a run where it is, from whichever worker has it."""
        [host] = self.hellos
        request = Read(run_id=run.id, offset=offset, limit=1 << 20, wait_seconds=5)
        piece: Piece = await self.workers.ask(host, request, wait_seconds=5)
        return piece


@pytest.fixture
async def server(database: Database, nats: Nats, connect: Connect) -> AsyncIterator[Server]:
    server = Server(database, await connect(nats.url, "server"))
    hands = Hands(
        runs=server.runs,
        outputs=server.outputs,
        claims=server.claims,
        ledger_of=lambda host: SqlLedger.of(host, database),
        max_bytes=lambda: server.wire.max_payload,
    )
    words: dict[str, FromWorker] = {
        **hands.handlers,
        "hello": server.hello,
        "beat": server.beat,
    }
    async with serve_workers(server.wire, words):
        yield server


@pytest.fixture
async def worker(tmp_path: Path, nats: Nats, server: Server) -> AsyncIterator[Worker]:
    assert not server.hellos  # it answers from here on
    worker = Worker(tmp_path / "worker", nats.url)
    try:
        await worker.start()
        yield worker
    finally:
        await worker.clear()


NOTING = "echo $$ >>{notes}; seq 1000; while ! [ -e {gate} ]; do sleep 0.05; done; seq 1001 2000"
WHOLE = b"".join(b"%d\n" % number for number in range(1, 2001))


def starts(notes: Path) -> int:
    return len(notes.read_text().split())


async def test_a_run_of_a_pool_is_run_live_archived_and_ended(
    server: Server, worker: Worker, tmp_path: Path
) -> None:
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    run = await server.start(NOTING.format(gate=gate, notes=notes) + "; exit 7")
    await server.going(run)
    data = b""
    while len(data) < len(b"".join(b"%d\n" % number for number in range(1, 1001))):
        data += (await server.read(run, len(data))).data
    gate.touch()
    while len(data) < len(WHOLE):
        data += (await server.read(run, len(data))).data
    assert data == WHOLE
    ended = await server.ended(run)
    [host] = server.hellos
    assert (ended.state, ended.exitcode, ended.host) == (RunState.FAILED, 7, host)
    assert await server.output(run) == WHOLE
    assert starts(notes) == 1
    await server.gone(run)
    assert "Traceback" not in worker.log


@pytest.mark.usefixtures("worker")
async def test_a_run_is_stopped_at_once_and_by_what_was_asked_for_while_it_was_away(
    server: Server,
) -> None:
    now, later = await server.start("exec sleep 1000"), await server.start("exec sleep 1000")
    [host] = server.hellos
    for run in (now, later):
        await server.going(run)
    await server.workers.ask(host, Stop(run_id=now.id, signal="SIGTERM", grace_seconds=5))
    assert (await server.ended(now)).state is RunState.STOPPED
    server.stops.append(StopWanted(run_id=later.id, signal="SIGKILL", grace_seconds=0))
    assert (await server.ended(later)).state is RunState.STOPPED


@pytest.mark.parametrize("with_keeper", [False, True])
async def test_a_run_outlives_its_worker_and_is_started_once(
    server: Server, worker: Worker, tmp_path: Path, *, with_keeper: bool
) -> None:
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    run = await server.start(NOTING.format(gate=gate, notes=notes) + "; exit 7")
    await until(notes.exists)
    await worker.kill()
    if with_keeper:
        await worker.kill_keeper()
    await worker.start()
    gate.touch()
    ended = await server.ended(run)
    expected = (RunState.LOST, None) if with_keeper else (RunState.FAILED, 7)
    assert (ended.state, ended.exitcode) == expected
    assert await server.output(run) == WHOLE
    assert starts(notes) == 1


async def test_a_worker_waits_for_the_engine_and_goes_on_when_it_is_back(
    server: Server, worker: Worker, nats: Nats, tmp_path: Path
) -> None:
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    run = await server.start(NOTING.format(gate=gate, notes=notes))
    await until(notes.exists)
    await nats.kill()
    gate.touch()
    await until(lambda: "archive paused" in worker.log)
    await nats.start()
    assert (await server.ended(run)).state is RunState.SUCCEEDED
    assert await server.output(run) == WHOLE
    assert (await server.ended(await server.start("true"))).state is RunState.SUCCEEDED


async def test_a_worker_has_as_many_runs_as_places(
    server: Server, worker: Worker, tmp_path: Path
) -> None:
    """What it has no place for is left to others, and taken when a place is free."""
    worker.set(max_concurrent_runs="1")
    await worker.terminate()
    await worker.start()
    gate = tmp_path / "gate"
    first = await server.start(f"while ! [ -e {gate} ]; do sleep 0.05; done")
    second = await server.start("true")
    await server.going(first)
    assert (await server.runs.get(second.id)).host is None
    gate.touch()
    assert (await server.ended(second)).state is RunState.SUCCEEDED


async def test_a_worker_that_is_not_enrolled_says_how_it_is(tmp_path: Path) -> None:
    code, said = await Worker(tmp_path / "worker", None).refused("worker")
    assert code == 78
    assert said.startswith("tailrun: This worker is not enrolled: ")
    assert "`tailrun worker enroll URL --token TOKEN` enrols it" in said
