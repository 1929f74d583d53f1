"""What tests say to a server over HTTP and WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from aiohttp import WSMsgType
from yarl import URL

from tests.support.service import Service
from tests.support.waiting import PAUSE_SECONDS, patience, remaining

END_TYPES = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}


class Watched(NamedTuple):
    """What a viewer was told: the messages and the close frame."""

    messages: list[Any]
    code: int | None
    reason: str | None


class Client:
    """A client of one server, wherever that listens at the moment."""

    def __init__(self, session: aiohttp.ClientSession, service: Service) -> None:
        self.session = session
        self.service = service

    def url(self, path: str) -> URL:
        """Return the URL of a path of the API, which is sent as it is written."""
        return self.page_url(f"/api/v1/{path}")

    def page_url(self, path: str) -> URL:
        """Return the URL of a path of the server, which is sent as it is written."""
        return URL(f"{self.service.address}{path}", encoded=True)

    async def call(
        self, method: str, path: str, *, status: int | None = None, **arguments: Any
    ) -> Any:
        """Call the API; assert the status (default: success) and return the JSON."""
        async with self.session.request(method, self.url(path), **arguments) as response:
            text = await response.text()
            expected = response.ok if status is None else response.status == status
            log = self.service.log[-3000:] if response.status == 500 else ""
            assert expected, f"{method} {path}: {response.status} {text}\n{log}"
            return None if response.status == 204 else await response.json(content_type=None)

    async def create(self, script: str, **fields: object) -> dict[str, Any]:
        """Store and start a command; return it with its `run`."""
        created: dict[str, Any] = await self.call(
            "POST", "commands/", json={"name": "test", "script": script, **fields}
        )
        return created

    async def run(self, script: str) -> str:
        """Store and start a command; return its run's id."""
        run_id: str = (await self.create(script))["run"]["id"]
        return run_id

    async def get_run(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = await self.call("GET", f"runs/{run_id}")
        return run

    async def stop(self, run_id: str, **body: object) -> dict[str, Any]:
        """Stop a run."""
        stopping: dict[str, Any] = await self.call(
            "POST", f"runs/{run_id}/stop", json=body, status=202
        )
        return stopping

    async def finished(self, run_id: str) -> dict[str, Any]:
        """Wait, by its stream, until a run has ended and its end is stored; return it.

        On a busy machine the stream's end may come first: it waits for the row for 2 s at most.
        """
        async with patience():
            await self.stream(run_id, format="raw")
            while (run := await self.get_run(run_id))["end_time"] is None:  # noqa: ASYNC110
                await asyncio.sleep(PAUSE_SECONDS)
            return run

    async def output(self, run_id: str, query: str = "", **arguments: Any) -> bytes:
        """Return a run's output."""
        url = self.url(f"runs/{run_id}/output{query}")
        async with self.session.get(url, **arguments) as response:
            assert response.ok, await response.text()
            return await response.read()

    async def metric(self, name: str) -> float:
        """Return one of the service's figures."""
        async with self.session.get(self.page_url("/metrics")) as response:
            lines = (await response.text()).splitlines()
        [value] = [line.split()[1] for line in lines if line.split()[0] == name]
        return float(value)

    async def stream(self, run_id: str, **query: str) -> Watched:
        """Watch a run to its end."""
        async with self.connect(run_id, **query) as websocket:
            return await watch(websocket, as_json=query.get("format") == "json")

    @asynccontextmanager
    async def connect(
        self, run_id: str, headers: Mapping[str, str] | None = None, /, **query: str
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a run's stream."""
        url = self.url(f"runs/{run_id}/ws").with_query(query)
        timeout = aiohttp.ClientWSTimeout(ws_receive=remaining())
        async with self.session.ws_connect(
            url, headers=headers, max_msg_size=0, timeout=timeout
        ) as websocket:
            yield websocket


Start = Callable[..., Awaitable[Client]]
"""Starts a test's own service with settings; the fixture `start`."""


async def watch(websocket: aiohttp.ClientWebSocketResponse, *, as_json: bool = False) -> Watched:
    """Read all that a stream still has to say."""
    messages: list[Any] = []
    while True:
        message = await websocket.receive()
        if message.type in END_TYPES:
            return Watched(messages, websocket.close_code, message.extra)
        messages.append(message.json() if as_json else message.data)


def joined(messages: list[dict[str, Any]]) -> str:
    """Return the output that a stream of JSON messages told."""
    return "".join(message["text"] for message in messages if message["type"] == "output")
