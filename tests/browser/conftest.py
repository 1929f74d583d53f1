"""Fixtures of the browser tests: the service of the acceptance tests, and tabs that show it.

All of a module's tests share a browser, and with it an event loop.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.acceptance.conftest import ended, shared_database_url, shared_service
from tests.browser.gate import Gate
from tests.support.browser import OpenTab, Tab, chromium, new_tab
from tests.support.client import Client, Start
from tests.support.nats import Nats
from tests.support.service import Service

__all__ = ["shared_database_url", "shared_service"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-docs-pictures", action="store_true", help="make the pictures of docs/ anew"
    )
    parser.addoption(
        "--pictures", action="store_true", help="keep a picture of every screen in tests/artifacts"
    )


@pytest.fixture(scope="module", autouse=True)
def servers_unmeasured(unmeasured: None) -> None:
    """Cover the page alone."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Run one browser for all tests of a module."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(session: aiohttp.ClientSession, shared_service: Service) -> Client:
    """Be a client of the module's service."""
    return Client(session, shared_service)


@pytest_asyncio.fixture(loop_scope="module")
async def start(
    session: aiohttp.ClientSession, tmp_path: Path, database_url: str
) -> AsyncIterator[Start]:
    """Start the test's own service with settings; return a client of it."""
    async with ended(Service(tmp_path / "state", database_url)) as service:

        async def start(**settings: str) -> Client:
            service.set(**settings)
            await service.start()
            return Client(session, service)

        yield start


@pytest_asyncio.fixture(loop_scope="module")
async def open_tab(browser: Browser) -> AsyncIterator[OpenTab]:
    """Open tabs; at the end none of them may have had a problem."""
    tabs: list[Tab] = []

    async def open_tab(
        client: Client,
        path: str = "/",
        *,
        phone: bool = False,
        dark: bool = False,
        expected: Sequence[str] = (),
        session: str | None = None,
        locale: str = "en-GB",
    ) -> Tab:
        tab = await new_tab(
            browser,
            client.service.address,
            phone=phone,
            dark=dark,
            expected=expected,
            session=session,
            locale=locale,
        )
        tabs.append(tab)
        await tab.go(path)
        return tab

    yield open_tab
    for tab in tabs:
        await tab.close()
    assert [problem for tab in tabs for problem in tab.problems] == []


@pytest_asyncio.fixture(loop_scope="module")
async def engine(tmp_path: Path) -> AsyncIterator[Nats]:
    """Run the engine over which workers are met."""
    nats = Nats(tmp_path)
    await nats.start()
    yield nats
    await nats.kill()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Make a gate for a script of the test's."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()
