"""A worker that stands still, or is cut off, while its keeper lives: no two copies at a time."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.definition import OnUnreachable
from server.models import Advance, Run, RunEnd, RunState
from server.repositories.database.database import Database
from server.services.fleet.hands import Hands
from server.services.ledger.sql import SqlLedger
from server.wire.messages import Beat, Hello, Standing
from server.wire.serving import FromWorker, serve_workers
from tests.acceptance.test_worker import Server
from tests.support.nats import Nats
from tests.support.waiting import until, until_true
from tests.support.wires import Connect
from tests.support.worker import Worker

LEASE_SECONDS = 2.0
DECIDED_AFTER_SECONDS = 1.0
"""Once the lease is over; servers wait longer than the ten seconds that a keeper may take."""

STAMPING = "trap '' TERM; setsid sh -c '{loop}' & {loop}"
LOOP = "while :; do date +%s%N >>{notes}/$TAILRUN_RUN_ID; sleep 0.01; done"
"""A script that notes when it goes on, in two processes, of which neither ends by SIGTERM."""


@dataclass
class LeasingServer(Server):
    """One whose leases are short, and which gives a run up once its host's is over."""

    heard_at: dict[str, float] = field(default_factory=dict)

    async def hello(self, host: str, hello: Hello) -> Standing:
        self.heard_at[host] = time.monotonic()
        return await super().hello(host, hello)

    async def beat(self, host: str, beat: Beat) -> Standing:
        self.heard_at[host] = time.monotonic()
        return await super().beat(host, beat)

    async def give_up(self, run: Run) -> None:
        """End a run as lost, as soon as its host has been silent for long enough."""
        host = (await self.runs.get(run.id)).host
        assert host is not None
        silent_for = LEASE_SECONDS + DECIDED_AFTER_SECONDS
        await until(lambda: time.monotonic() > self.heard_at[host] + silent_for)

        async def is_given_up() -> bool:
            stored = await self.runs.get(run.id)
            if stored.state.final:  # the machine was slow, and its lease over, before it was away
                return True
            step = Advance(
                run_id=run.id,
                epoch=stored.epoch,
                from_offset=stored.output_bytes,
                to_offset=stored.output_bytes,
                to_lines=stored.output_lines,
                end=RunEnd(RunState.LOST, datetime.now(UTC)),
            )
            return bool(await self.outputs.append([step]))

        await until_true(is_given_up)


class Cable:
    """A way to the engine; once it is cut it swallows what is said, and breaks off nothing."""

    def __init__(self, url: str) -> None:
        self._at = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def open(self, stack: AsyncExitStack) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        await stack.enter_async_context(self._server)
        stack.push_async_callback(self._end)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection(self._at.hostname, self._at.port)
        for source, target in ((reader, out), (there, writer)):
            task = asyncio.create_task(self._carry(source, target))
            self._tasks.add(task)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                await self._whole.wait()
                target.write(data)
                await target.drain()
        except OSError:
            return
        finally:
            target.close()


@pytest.fixture
async def server(database: Database, nats: Nats, connect: Connect) -> AsyncIterator[LeasingServer]:
    server = LeasingServer(database, await connect(nats.url, "server"), lease_seconds=LEASE_SECONDS)
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


@pytest.mark.parametrize("how", ["frozen", "cut"])
async def test_a_run_that_is_begun_elsewhere_does_not_go_on_beside_the_first(
    server: LeasingServer, nats: Nats, tmp_path: Path, how: str
) -> None:
    """Its keeper ends it with the lease, though nobody can tell it that it was given up."""
    notes = tmp_path / "notes"
    notes.mkdir()
    script = STAMPING.format(loop=LOOP.format(notes=notes))
    async with AsyncExitStack() as stack:
        cable = Cable(nats.url)
        await cable.open(stack)
        one, other = (
            Worker(tmp_path / name, url) for name, url in (("one", cable.url), ("other", nats.url))
        )
        for worker in (one, other):
            stack.push_async_callback(worker.clear)
        await one.start()
        options = {"on_unreachable": OnUnreachable.RETRY, "grace_seconds": 0.2}
        first = await server.start(script, **options)
        await until(lambda: stamps(notes, first))
        if how == "frozen":
            os.kill(one.pid, signal.SIGSTOP)
            stack.callback(os.kill, one.pid, signal.SIGCONT)
        else:
            cable.cut()
        await other.start()
        await server.give_up(first)
        second = await server.start(script, **options)
        await until(lambda: stamps(notes, second))
        assert max(stamps(notes, first)) < min(stamps(notes, second))
        last, beside = len(stamps(notes, first)), len(stamps(notes, second))
        os.kill(one.pid, signal.SIGCONT) if how == "frozen" else cable.mend()
        await until(lambda: len(stamps(notes, second)) > beside + 50)
        assert len(stamps(notes, first)) == last
        assert (await server.runs.get(first.id)).state is RunState.LOST


def stamps(notes: Path, run: Run) -> list[int]:
    """Return when a copy went on, in nanoseconds."""
    path = notes / str(run.id)
    return [int(line) for line in path.read_text().split()] if path.exists() else []
