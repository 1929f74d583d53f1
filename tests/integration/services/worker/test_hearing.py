"""When a worker claims, by bells over a real engine."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.models import RunState
from server.services.running.active import ActiveRuns
from server.services.tasks import cancel_and_wait
from server.services.worker import hearing as module
from server.services.worker.hearing import Hearing
from server.wire.bells import Bells, ring
from server.wire.connection import Wire
from tests.support.nats import Nats
from tests.support.runs import a_run
from tests.support.waiting import until
from tests.support.wires import Connect


class Worker:
    """One with a single place, which counts how often it is to claim."""

    def __init__(self, wire: Wire) -> None:
        self.active = ActiveRuns(max_concurrent_runs=1, max_runs_per_command=1)
        self.rings = 0
        self.hearing = Hearing(wire, self.active, self._ring)
        self.active.on_gone = self.hearing.note_gone
        self.hearing.listen_to({"build"})
        self.task = asyncio.create_task(self.hearing.run())

    def _ring(self) -> None:
        self.rings += 1


@pytest.fixture(autouse=True)
def by_bells_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 1000.0)


@pytest.fixture
async def workers(nats: Nats, connect: Connect) -> AsyncIterator[list[Worker]]:
    workers = [Worker(await connect(nats.url, name)) for name in ("first", "second")]
    yield workers
    for worker in workers:
        await cancel_and_wait(worker.task)


@pytest.fixture
async def server(nats: Nats, connect: Connect) -> Wire:
    return await connect(nats.url, "server")


async def test_a_worker_claims_once_it_listens_and_at_each_bell(
    workers: list[Worker], server: Wire
) -> None:
    first, second = workers
    await until(lambda: first.rings and second.rings)
    before = first.rings + second.rings
    await ring(server, "build")
    await until(lambda: first.rings + second.rings > before)
    by_first, by_second = first.rings, second.rings
    await ring(server, "build", everybody=True)
    await until(lambda: first.rings > by_first and second.rings > by_second)


async def test_one_without_a_place_leaves_the_bell_to_others(
    workers: list[Worker], server: Wire
) -> None:
    full, idle = workers
    await until(lambda: full.rings and idle.rings)
    live = full.active.add(a_run(RunState.RUNNING))
    await ring(server, "build", everybody=True)  # it looks whether there is a place
    await until(lambda: not full.active.free and not full.hearing.listens)
    heard = full.rings
    for _ in range(5):
        before = idle.rings
        await ring(server, "build")
        await until(lambda before=before: idle.rings > before)  # type: ignore[misc]
    assert full.rings == heard
    full.active.remove(live)
    await until(lambda: full.rings > heard)


async def test_a_place_that_becomes_free_while_bells_are_left_to_others_is_seen(
    workers: list[Worker], server: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, _ = workers
    await until(lambda: full.rings)
    live = full.active.add(a_run(RunState.RUNNING))
    ignore = Bells.ignore

    async def ignore_while_it_ends(bells: Bells) -> None:
        await ignore(bells)
        full.active.remove(live)

    monkeypatch.setattr(Bells, "ignore", ignore_while_it_ends)
    before = full.rings
    await ring(server, "build", everybody=True)
    await until(lambda: full.rings > before)
    monkeypatch.undo()


async def test_a_worker_of_other_pools_hears_their_bells(
    workers: list[Worker], server: Wire
) -> None:
    first, _ = workers
    await until(lambda: first.rings)
    before = first.rings
    first.hearing.listen_to({"test"})
    await until(lambda: first.rings > before)
    before = first.rings
    await ring(server, "test")
    await until(lambda: first.rings > before)
