"""Fixtures of the tests of handlers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.integration.handlers.harness import Api, Serve, serving


@pytest.fixture
async def serve(
    tmp_path: Path, database_url: str, aiohttp_client: AiohttpClient
) -> AsyncIterator[Serve]:
    """Serve the application with settings of the test's own."""
    async with serving(tmp_path / "state", database_url, aiohttp_client) as serve:
        yield serve


@pytest.fixture
async def api(serve: Serve) -> Api:
    """Serve the application with its defaults."""
    return await serve()
