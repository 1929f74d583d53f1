"""A site of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.repositories.database.database import Database
from tests.integration.services.running.harness import Site, a_site


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(database, tmp_path / "state") as site:
        yield site
