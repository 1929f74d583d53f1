"""Fixtures of the acceptance tests: the service as a process, on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.service import Client, Service


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Service]:
    """A running service; its keeper ends by itself."""
    running = Service(tmp_path / "state", database_url)
    await running.start()
    yield running
    await running.terminate()
    await running.end_keeper()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, service)
