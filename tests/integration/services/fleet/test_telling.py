"""Runs that have changed, as servers tell each other of them, through a real engine."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from server.errors import RunNotFoundError
from server.services.fleet import telling as module
from server.services.fleet.telling import Telling
from server.services.tasks import cancel_and_wait
from server.wire import subjects
from server.wire.connection import Wire
from tests.support.nats import Nats
from tests.support.waiting import until
from tests.support.wires import Connect


class Server:
    """A server, with what was to be looked at there."""

    def __init__(self, wire: Wire, host: str) -> None:
        self.wire = wire
        self.looked: list[set[UUID]] = []
        self.telling = Telling(wire, host, self.look)

    async def look(self, runs: Collection[UUID]) -> None:
        self.looked.append({*runs})


@asynccontextmanager
async def servers(connect: Connect, nats: Nats) -> AsyncIterator[tuple[Server, Server]]:
    both = [Server(await connect(nats.url, host), host) for host in ("one", "other")]
    tasks = [asyncio.create_task(one.telling.run()) for one in both]
    await until(lambda: all(one.wire._listeners for one in both))
    for one in both:
        await one.wire.flush()
    try:
        yield both[0], both[1]
    finally:
        for task in tasks:
            await cancel_and_wait(task)


async def test_the_others_are_told_and_a_server_itself_of_what_it_has_stored_for_workers(
    nats: Nats, connect: Connect
) -> None:
    own, stored = uuid4(), uuid4()
    async with servers(connect, nats) as (one, other):
        one.telling.tell(own)
        one.telling.tell_all(stored)
        await until(lambda: bool(one.looked and other.looked))
        assert other.looked == [{own, stored}]
        assert one.looked == [{stored}]


async def test_of_very_many_it_is_told_that_some_have_changed(
    nats: Nats, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RUNS", 3)
    async with servers(connect, nats) as (one, other):
        for _ in range(4):
            one.telling.tell(uuid4())
        await until(lambda: other.looked == [set()])


async def test_that_something_else_has_changed_is_told_beside_the_runs(
    nats: Nats, connect: Connect
) -> None:
    async with servers(connect, nats) as (one, other):
        one.telling.tell(run := uuid4())
        one.telling.tell_of_more()
        await until(lambda: other.looked == [set(), {run}])
        assert not one.looked


async def test_what_cannot_be_understood_or_looked_at_ends_nothing(
    nats: Nats, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = uuid4()
    async with servers(connect, nats) as (one, other):
        await one.wire.send(subjects.CHANGED, b"no message")
        look = other.telling._look
        failed = asyncio.Event()

        async def fail(_: Collection[UUID]) -> None:
            failed.set()
            raise RunNotFoundError("It was deleted.")

        monkeypatch.setattr(other.telling, "_look", fail)
        one.telling.tell(uuid4())
        await failed.wait()
        monkeypatch.setattr(other.telling, "_look", look)
        one.telling.tell(run)
        await until(lambda: other.looked == [{run}])
