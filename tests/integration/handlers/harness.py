"""The application as it is composed, on a real database and keeper, in the test's own process."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp import AiohttpClient

from server.access import ANONYMOUS, KnownBy, Principal, Role
from server.handlers.http import keys
from server.handlers.http.identity.addresses import Addresses
from server.handlers.http.identity.identity import Identity
from server.handlers.http.identity.local import Local
from server.service import service
from server.services.access.guesses import Guesses
from server.settings.reading import read_settings
from tests.support.postgres import execute
from tests.support.service import Service
from tests.support.waiting import patience

if TYPE_CHECKING:
    from server.services.tasks import Tasks

SLUG = "/docs/api.md#{}"


AWAY = """
    INSERT INTO workers (
        id, name, version, pools, labels, places, first_seen_at, seen_at, lease_until
    )
    SELECT 'away', 'build-1', '1', '{}', '{}', 1, at, at, at FROM (
        SELECT now() - interval '1 h' AS at
    ) long_ago
    ON CONFLICT DO NOTHING
"""
HAVE = "UPDATE commands_info SET host = '{}', held_at = NULL WHERE id = '{}'"


class Api:
    """What tests say to the handlers."""

    def __init__(self, client: TestClient[Any, Any], database_url: str = "") -> None:
        self.client = client
        self.database_url = database_url

    async def call(self, method: str, path: str, *, status: int, **arguments: Any) -> Any:
        """Call a route under the API's prefix; assert the status and return the JSON."""
        async with self.client.request(method, f"/api/v1/{path}", **arguments) as response:
            text = await response.text()
            assert response.status == status, f"{method} {path}: {response.status} {text}"
            return await response.json(content_type=None) if text else None

    async def problem(
        self, method: str, path: str, status: int, slug: str, **arguments: Any
    ) -> dict[str, Any]:
        """Call a route that must answer this problem; return it."""
        async with self.client.request(method, f"/api/v1/{path}", **arguments) as response:
            told: dict[str, Any] = await response.json(content_type="application/problem+json")
            retry = response.headers.get("Retry-After")
        assert (response.status, told["status"], told["type"]) == (
            *(status, status, SLUG.format(slug)),
        ), told
        assert (retry is not None) == (status == 503)
        assert told["title"]
        assert told["detail"]
        return told

    async def create(self, script: str, **fields: object) -> dict[str, Any]:
        """Store and start a command."""
        body = {"name": "test", "script": script, **fields}
        created: dict[str, Any] = await self.call("POST", "commands/", json=body, status=201)
        return created

    async def run(self, script: str) -> str:
        """Store and start a command; return its run's id."""
        run_id: str = (await self.create(script))["run"]["id"]
        return run_id

    async def away(self, *, host: str = "away", **fields: object) -> str:
        """Store a command whose run a host has, by itself away for an hour; return the run's id."""
        created = await self.create("true", pool="away", **fields)
        run_id: str = created["run"]["id"]
        execute(self.database_url, AWAY, HAVE.format(host, run_id))
        return run_id

    async def ended(self, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended, by following its output; return it."""
        path = f"/api/v1/runs/{run_id}/ws?format=raw"
        async with patience(), self.client.ws_connect(path, max_msg_size=0) as stream:
            async for _ in stream:
                pass
        told: dict[str, Any] = await self.call("GET", f"runs/{run_id}", status=200)
        return told

    async def output(self, run_id: str, query: str = "", **arguments: Any) -> bytes:
        """Return a run's output."""
        path = f"/api/v1/runs/{run_id}/output{query}"
        async with self.client.get(path, **arguments) as response:
            assert response.ok, await response.text()
            return await response.read()

    @asynccontextmanager
    async def stream(
        self, run_id: str, query: str = ""
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a run's stream."""
        async with self.client.ws_connect(f"/api/v1/runs/{run_id}/ws{query}") as stream:
            yield stream


class Claimed(Identity):
    """An identity that believes what a request's header `As` claims: `viewer@web,editor@*`.

    A request without it is nobody's; `-` is somebody's who has no grants.
    """

    def __init__(self) -> None:
        addresses = Addresses((), ends_tls=False)
        super().__init__("auto", addresses, Local({}, lambda *_: 0, over_tcp=False), Guesses())

    async def of(self, request: web.Request) -> Principal:
        claimed = request.headers.get("As")
        if claimed is None:
            return ANONYMOUS
        pairs = [one.partition("@") for one in claimed.split(",") if one != "-"]
        grants = {group: Role(role) for role, _, group in pairs}
        return Principal(name=f"test:{claimed}", known_by=KnownBy.TOKEN, grants=grants)

    def address(self, _request: web.Request) -> str:
        return "192.0.2.1"


Serve = Callable[..., Awaitable[Api]]
"""Composes the application with settings, and serves it; the fixture `serve`."""


@asynccontextmanager
async def serving(
    state_dir: Path, database_url: str, aiohttp_client: AiohttpClient
) -> AsyncIterator[Serve]:
    """Provide what serves applications; in the end leave nothing of them."""
    composed: list[Tasks] = []
    try:
        async with AsyncExitStack() as stack:

            async def serve(identity: Identity | None = None, **settings: Any) -> Api:
                named = {"state_dir": state_dir, "database_url": database_url, **settings}
                variables = {f"TAILRUN_{name.upper()}": str(value) for name, value in named.items()}
                given = read_settings([], variables)
                app, tasks = await stack.enter_async_context(service(given, os.environ))
                composed.append(tasks)
                if identity is not None:
                    app[keys.IDENTITY] = identity
                client: TestClient[Any, Any] = await aiohttp_client(TestServer(app))
                stack.push_async_callback(client.close)
                return Api(client, database_url)

            yield serve
    finally:
        await Service(state_dir, None).end_keeper()
    assert not any(tasks.failed.is_set() for tasks in composed)
