"""Fixtures of the acceptance tests: the service as a process, on a database of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from server.repositories.embedded.server import EmbeddedDatabase
from tests.support.client import Client, Start
from tests.support.postgres import TEMPLATE, execute, with_name
from tests.support.service import Service

SHARED = "acceptance_shared"


@asynccontextmanager
async def ended(service: Service) -> AsyncIterator[Service]:
    """End a service in the end, well: with exit code 0, and never having shown a traceback."""
    try:
        yield service
        assert await service.terminate() == 0
        assert "Traceback" not in service.log, service.log
    finally:
        await service.kill()
        await service.end_keeper()


@pytest.fixture(scope="module")
def shared_database_url(postgres_url: str) -> Iterator[str]:
    """Make a fresh database with the tables, for all tests of a module."""
    execute(postgres_url, f"CREATE DATABASE {SHARED} TEMPLATE {TEMPLATE}")
    yield with_name(postgres_url, SHARED)
    execute(postgres_url, f"DROP DATABASE {SHARED} WITH (FORCE)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_service(
    tmp_path_factory: pytest.TempPathFactory, shared_database_url: str
) -> AsyncIterator[Service]:
    """Run one service for all tests of a module."""
    state_dir = tmp_path_factory.mktemp("shared") / "state"
    async with ended(Service(state_dir, shared_database_url)) as service:
        yield await service.start()


@pytest.fixture
async def client(shared_service: Service) -> AsyncIterator[Client]:
    """Be a client of the module's service."""
    async with aiohttp.ClientSession() as session:
        yield Client(session, shared_service)


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[Service]:
    """Make a service of the test's own; it is not started yet."""
    async with ended(Service(tmp_path / "state", database_url)) as service:
        yield service


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Client]:
    """Run a service with a database of its own; be a client of it."""
    state_dir = tmp_path / "state"
    try:
        async with (
            ended(Service(state_dir, None)) as service,
            aiohttp.ClientSession() as session,
        ):
            yield Client(session, await service.start())
    finally:
        await EmbeddedDatabase(state_dir / "database").stop()


@pytest.fixture
async def start(service: Service) -> AsyncIterator[Start]:
    """Start the test's own service with settings; return a client of it."""
    async with aiohttp.ClientSession() as session:

        async def start(**settings: str) -> Client:
            service.set(**settings)
            await service.start()
            return Client(session, service)

        yield start
