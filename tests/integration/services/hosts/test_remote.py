"""Runs of another host: a real keeper there, a real engine between, a real database below."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from server.errors import NoActiveRunError
from server.models import Run, RunState
from server.output.cursor import Frame, Pace, StreamFormat
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.workers import WorkerRepository
from server.services.archive.chunks import Chunks
from server.services.fleet.attending import Attending
from server.services.fleet.lease import Lease
from server.services.hosts import remote_run
from server.services.hosts.remote import RemoteHosts
from server.services.running.live import LiveRun
from server.services.runs import RunService
from server.services.watching import Ended, Event, RunChanged, Wanted, Watching
from server.services.worker.answers import Answers
from server.wire.asking import Workers
from server.wire.connection import Wire
from server.wire.messages import Beat, Hello, StopWanted
from server.wire.serving import serve_servers
from tests.integration.services.running.harness import HOST, Site, a_site
from tests.support.nats import Nats
from tests.support.waiting import patience, until
from tests.support.wires import Connect
from tests.support.workers import add_worker

GATED = "while ! [ -e {gate} ]; do sleep 0.02; done"


class Pair:
    """A host that has runs, and a server that has none and shows those of the other."""

    def __init__(self, there: Site, here: Site, wire: Wire, database: Database) -> None:
        self.there = there
        self.tasks = here.tasks
        self.asked: list[object] = []
        unused = cast("Any", None)
        chunks = Chunks(OutputRepository(database))
        self.hosts = RemoteHosts(
            "server",
            here.hosts,
            self._workers(wire),
            WorkerRepository(database),
            here.runs,
            chunks,
            here.tasks,
        )
        self.runs = RunService(
            self.hosts,
            here.starts,
            here.commands,
            here.runs,
            chunks,
            unused,
            unused,
            unused,
            None,
            stop_grace_seconds=1,
        )
        self.answers = Answers(
            there.active, there.control, there.finisher.end_of, lambda: 1024 * 1024
        )

    @asynccontextmanager
    async def answering(self, wire: Wire) -> AsyncIterator[None]:
        """Have the host answer servers meanwhile."""
        async with serve_servers(wire, HOST, self.answers.handlers):
            yield

    def watch(self, live: LiveRun, wanted: Wanted) -> AsyncGenerator[Event, None]:
        """Watch a run of the host from the server."""
        return Watching(self.hosts, self.runs).watch(live.run.id, wanted, pace=Pace())

    async def stored(self, live: LiveRun) -> Run:
        """Return a run as it is stored."""
        return await self.there.runs.get(live.run.id)

    def _workers(self, wire: Wire) -> Workers:
        asked = self.asked

        class Noted(Workers):
            async def ask(self, host: str, request: object, **options: Any) -> Any:
                asked.append(request)
                return await super().ask(host, request, **options)

        return Noted(wire)


@pytest.fixture
async def far(nats: Nats, connect: Connect) -> Wire:
    """Connect the host."""
    return await connect(nats.url, HOST)


@pytest.fixture
async def pair(
    nats: Nats, connect: Connect, database: Database, tmp_path: Path
) -> AsyncIterator[Pair]:
    wire = await connect(nats.url, "server")
    async with (
        a_site(database, tmp_path / "there") as there,
        a_site(database, tmp_path / "here", host="server") as here,
    ):
        await there.begin()
        yield Pair(there, here, wire, database)


async def texts(events: AsyncGenerator[Event, None], until_size: int | None = None) -> bytes:
    """Return the output that comes, up to a size or the end."""
    data = b""
    async with patience():
        async for event in events:
            if isinstance(event, Frame):
                data += event.payload
            if until_size is not None and len(data) >= until_size:
                break
    return data


async def test_a_run_of_another_host_is_shown_to_the_byte_and_to_its_end(
    pair: Pair, far: Wire, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    live = await pair.there.start(f"seq 20000; {GATED.format(gate=gate)}; seq 20000; exit 5")
    seq = b"".join(b"%d\n" % number for number in range(1, 20001))
    events = pair.watch(live, Wanted(StreamFormat.RAW))
    async with pair.answering(far), aclosing(events):
        assert await texts(events, len(seq)) == seq
        gate.touch()
        assert await texts(events) == seq
    stored = await pair.there.ended(live)
    assert (stored.exitcode, stored.output_bytes) == (5, 2 * len(seq))


async def test_changes_come_and_a_stop_from_here_ends_it(pair: Pair, far: Wire) -> None:
    live = await pair.there.start("echo one; exec sleep 1000")
    states = []
    events = pair.watch(live, Wanted(StreamFormat.JSON))
    async with pair.answering(far), aclosing(events), patience():
        async for event in events:
            if isinstance(event, Frame):
                assert orjson.loads(event.payload)["text"] == "one\n"
                await pair.hosts.signal(await pair.stored(live), "SIGSTOP")
            elif isinstance(event, RunChanged):
                view = event.view
                states.append((view.run.state, view.paused))
                if view.paused:
                    run = await pair.stored(live)
                    stop = pair.hosts.stop(run, signal="SIGTERM", grace_seconds=5)
                    assert (await stop).stopping
            elif isinstance(event, Ended):
                states.append((event.run.state, False))
    assert states[-1] == (RunState.STOPPED, False)
    assert (RunState.RUNNING, True) in states
    assert list(pair.hosts) == []


async def test_however_many_watch_its_host_is_asked_as_for_one(
    pair: Pair, far: Wire, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    live = await pair.there.start(f"{GATED.format(gate=gate)}; head -c 3000000 /dev/zero")
    async with pair.answering(far), AsyncExitStack() as held:
        await until(lambda: live.log is not None)
        wanted = Wanted(StreamFormat.RAW)
        all_events = [
            await held.enter_async_context(aclosing(pair.watch(live, wanted))) for _ in range(8)
        ]
        reading = [asyncio.create_task(texts(events)) for events in all_events]
        await until(lambda: len(pair.asked) >= 1)
        gate.touch()
        for data in await asyncio.gather(*reading):
            assert data == bytes(3_000_000)
    # Six blocks at least; eight viewers by themselves would take eight times as many.
    assert len(pair.asked) < 40


async def test_while_the_host_is_away_what_is_archived_is_shown_and_then_the_rest(
    pair: Pair, far: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_run, "LOOK_SECONDS", 0.02)
    gate = tmp_path / "gate"
    live = await pair.there.start(f"echo one; {GATED.format(gate=gate)}; echo two")
    await until(lambda: live.run.output_bytes == 4)
    events = pair.watch(live, Wanted(StreamFormat.JSON))
    reasons, data = [], b""
    async with aclosing(events), patience(), AsyncExitStack() as answering:
        async for event in events:
            if isinstance(event, RunChanged):
                reasons.append(event.view.run.reason or "")
            elif isinstance(event, Frame):
                data += orjson.loads(event.payload)["text"].encode()
                if data == b"one\n":
                    assert reasons[-1].startswith("its host is away since ")
                    await answering.enter_async_context(pair.answering(far))
                    gate.touch()
            else:
                assert event.run.state is RunState.SUCCEEDED
    assert data == b"one\ntwo\n"


async def test_a_run_that_ended_while_its_host_is_away_has_ended_here(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end was stored, by its host before that went away, or by whoever gave it up."""
    monkeypatch.setattr(remote_run, "LOOK_SECONDS", 0.02)
    live = await pair.there.start("echo one; exec sleep 1000")
    await until(lambda: live.run.output_bytes == 4)
    events = pair.watch(live, Wanted(StreamFormat.RAW))
    async with aclosing(events):
        assert await texts(events, 4) == b"one\n"
        await pair.there.control.stop(live.run.id, signal="SIGKILL", grace_seconds=0)
        async with patience():
            [end] = [event async for event in events]
    assert isinstance(end, Ended)
    assert (end.run.state, end.run.output_bytes) == (RunState.STOPPED, 4)


async def test_a_stop_of_a_worker_that_is_away_is_told_when_it_is_back(
    pair: Pair, database: Database
) -> None:
    """Until it says that it has taken it; one of a host that nobody knows is lost."""
    live, other = [await pair.there.start("exec sleep 1000") for _ in range(2)]
    view = await pair.hosts.stop(await pair.stored(other), signal="SIGTERM", grace_seconds=1)
    assert view.run.state is RunState.LOST
    attending = Attending(WorkerRepository(database), Lease(30), pair.tasks, gather_seconds=0)
    hello = Hello(name="one", version="1")
    for host in (HOST, "other"):
        await add_worker(database, host)
    assert (await attending.hello(HOST, hello)).stops == ()
    view = await pair.hosts.stop(await pair.stored(live), signal="SIGINT", grace_seconds=7)
    assert view.stopping
    wanted = StopWanted(run_id=live.run.id, signal="SIGINT", grace_seconds=7)
    for _ in range(2):
        assert (await attending.beat(HOST, Beat())).stops == (wanted,)
    await attending.hello("other", hello)
    for said in (Beat(), Beat(stopped=frozenset({live.run.id}))):  # it cannot take another's
        assert (await attending.beat("other", said)).stops == ()
    assert (await attending.beat(HOST, Beat())).stops == (wanted,)
    for said in (Beat(stopped=frozenset({live.run.id})), Beat()):
        assert (await attending.beat(HOST, said)).stops == ()
    await pair.hosts.stop(await pair.stored(live), signal="SIGHUP", grace_seconds=1)
    assert len((await attending.beat(HOST, Beat())).stops) == 1
    await pair.there.control.stop(live.run.id, signal="SIGKILL", grace_seconds=0)
    run = await pair.there.ended(live)
    assert (await attending.beat(HOST, Beat())).stops == ()
    with pytest.raises(NoActiveRunError):
        await pair.hosts.stop(run, signal="SIGINT", grace_seconds=7)
