"""The whole service as a process of its own, as users run it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import WSMsgType

from server.keeper.client import KeeperClient

START_SECONDS = 60
POLL_SECONDS = 0.02
ROOT = Path(__file__).parents[2]


class Service:
    """A Tailrun server on a free port of the loopback interface."""

    def __init__(self, state_dir: Path, database_url: str | None, **settings: str) -> None:
        self.state_dir = state_dir
        self._settings = {"port": "0", "state_dir": str(state_dir), **settings}
        if database_url is not None:
            self._settings["database_url"] = database_url
        self._process: asyncio.subprocess.Process | None = None
        self._log = state_dir.parent / f"{state_dir.name}.log"
        self.address = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the server is started with."""
        own = {f"TAILRUN_{name.upper()}": value for name, value in self._settings.items()}
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("TAILRUN_")}
        return inherited | own

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def set(self, **settings: str) -> None:
        """Change settings for the next start."""
        self._settings.update(settings)

    async def start(self) -> "Service":
        """Start the server and wait until it tells its address."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "server",
                cwd=ROOT,
                env=self.environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = (await self._process.stdout.readline()).decode()
        match = re.search(r"serves (http://\S+?)/ ", line)
        assert match, f"the server did not start: {line}{self.log}"
        self.address = match[1]
        return self

    async def kill(self) -> None:
        """SIGKILL the server."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM the server and return its exit code."""
        return await self._end(signal.SIGTERM)

    async def keeper_pid(self) -> int:
        """Return the pid of the keeper, which is started if there is none."""
        keeper = KeeperClient(self.state_dir)
        try:
            return (await keeper.open()).pid
        finally:
            await keeper.close()

    async def end_keeper(self) -> None:
        """Kill every run that is left, then the keeper."""
        keeper = KeeperClient(self.state_dir)
        try:
            pid = (await keeper.open()).pid
            for run_id in await keeper.runs():
                await keeper.stop(run_id, signal="SIGKILL", grace_seconds=0)
            async with asyncio.timeout(START_SECONDS):
                while await keeper.runs():
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            await keeper.close()
        os.kill(pid, signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        async with asyncio.timeout(START_SECONDS):
            await process.communicate()
            return await process.wait()

    @property
    def running(self) -> bool:
        return self._process is not None


class Watched(NamedTuple):
    """What a viewer was told: the messages and the close frame."""

    messages: list[Any]
    code: int | None
    reason: str | None


class Client:
    """What tests say to a server over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, service: Service) -> None:
        self.session = session
        self.service = service

    def url(self, path: str) -> str:
        return f"{self.service.address}/api/v1/{path}"

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

    async def finished(self, run_id: str, seconds: float = 60) -> dict[str, Any]:
        """Wait, by its stream, until a run has ended; return it."""
        async with asyncio.timeout(seconds):
            await self.stream(run_id, format="raw")
            return await self.get_run(run_id)

    async def output(self, run_id: str, query: str = "", **arguments: Any) -> bytes:
        """Return a run's output."""
        url = self.url(f"runs/{run_id}/output{query}")
        async with self.session.get(url, **arguments) as response:
            assert response.ok, await response.text()
            return await response.read()

    async def stream(self, run_id: str, **query: str) -> "Watched":
        """Watch a run to its end."""
        messages: list[Any] = []
        async with self.connect(run_id, **query) as websocket:
            while True:
                message = await websocket.receive()
                if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR}:
                    return Watched(messages, websocket.close_code, message.extra)
                as_json = query.get("format") == "json"
                messages.append(message.json() if as_json else message.data)

    @asynccontextmanager
    async def connect(
        self, run_id: str, headers: Mapping[str, str] | None = None, **query: str
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a run's stream."""
        url = self.url(f"runs/{run_id}/ws")
        async with self.session.ws_connect(
            url, params=query, headers=headers, max_msg_size=0, autoclose=True
        ) as websocket:
            yield websocket
