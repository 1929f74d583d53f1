"""An engine of a test's own, and hosts that are connected with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from server.services.tasks import cancel_and_wait
from server.settings.groups import NatsSettings
from server.wire.address import Address
from server.wire.connection import Wire
from server.wire.signing import Signing
from tests.support.fleet import SERVERS
from tests.support.nats import Nats, engine
from tests.support.waiting import patience

Connect = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with engine(tmp_path) as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect a host with an engine; all connections end with the test."""
    tasks = []

    async def connect(
        url: str,
        host: str = "host",
        *,
        connected: bool = True,
        signing: Signing | None = SERVERS,
        **settings: Path,
    ) -> Wire:
        address = Address.of(NatsSettings(url=(url,), **settings))
        wire = Wire(address, host=host, name=f"tailrun {host}", signing=signing)
        tasks.append(asyncio.create_task(wire.run()))
        if connected:
            async with patience():
                while not await wire.until_connected(1):
                    assert not tasks[-1].done()
        return wire

    yield connect
    for task in tasks:
        await cancel_and_wait(task)
