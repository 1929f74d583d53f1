"""The server's side of the keeper: connects to it, and starts it when there is none."""

import asyncio
import contextlib
import itertools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.keeper.protocol import (
    LOG_NAME,
    MAX_MESSAGE_BYTES,
    PROTOCOL,
    SOCKET_NAME,
    Hello,
    KeeperError,
    StartRequest,
    code_version,
    decode,
    encode,
)

OPEN_TIMEOUT_SECONDS = 10.0
CALL_TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 0.02
IDLE_SECONDS = 60.0
LOG_TAIL_BYTES = 2000

# By path and without `site`, the keeper needs nothing but the standard library and little memory.
KEEPER_COMMAND = (sys.executable, "-I", "-S", str(Path(__file__).with_name("__main__.py")))

_log = logging.getLogger(__name__)


class KeeperClient:
    """One connection to the keeper of a state directory, made again when it was lost.

    Every call raises KeeperError when the keeper refuses, is lost meanwhile, or is silent for
    CALL_TIMEOUT_SECONDS. `on_lost` is called once for each connection that was lost; the next
    call opens another.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        on_lost: Callable[[], None] = lambda: None,
        idle_seconds: float = IDLE_SECONDS,
        command: Sequence[str] = KEEPER_COMMAND,
    ) -> None:
        self._directory = state_dir / "keeper"
        self._command = (*command, str(state_dir), "--idle-seconds", str(idle_seconds))
        self._on_lost = on_lost
        self._opening = asyncio.Lock()
        self._connection: _Connection | None = None

    async def open(self) -> Hello:
        """Connect to the keeper, starting one if there is none, and return who it is."""
        return (await self._connected()).hello

    @property
    def outdated(self) -> bool:
        """Whether the connected keeper runs other code than this client's; `renew` mends it."""
        return self._connection is not None and self._connection.hello.version != code_version()

    async def start(self, request: StartRequest) -> bool:
        """Start a run; False when it was started before (then nothing happens)."""
        return bool((await self._call("start", **asdict(request)))["started"])

    async def stop(
        self, run_id: str, *, signal: str, grace_seconds: float, cause: str = "stop"
    ) -> bool:
        """Stop a run: `signal`, and SIGKILL after the grace; False when it is not active."""
        answer = await self._call(
            "stop", run_id=run_id, signal=signal, grace_seconds=grace_seconds, cause=cause
        )
        return bool(answer["stopping"])

    async def signal(self, run_id: str, name: str) -> bool:
        """Send the named signal to a run's process group; False when it is not active."""
        return bool((await self._call("signal", run_id=run_id, signal=name))["sent"])

    async def runs(self) -> set[str]:
        """Return the active runs."""
        return set((await self._call("list"))["runs"])

    async def renew(self) -> Hello:
        """Have the keeper execute its code anew, keeping its runs; return who it is then."""
        connection = await self._connected()
        async with self._opening:
            connection.expect_end()
            await connection.call("renew")
            await connection.ended(CALL_TIMEOUT_SECONDS)
        return await self.open()

    async def close(self) -> None:
        """Leave the keeper; it and its runs go on."""
        async with self._opening:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return await (await self._connected()).call(operation, **arguments)

    async def _connected(self) -> "_Connection":
        async with self._opening:
            if self._connection is None or not self._connection.alive:
                self._connection = await self._connect_or_launch()
            return self._connection

    async def _connect_or_launch(self) -> "_Connection":
        raise NotImplementedError


class _Connection:
    hello: Hello
    alive: bool

    def expect_end(self) -> None: ...
    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def ended(self, timeout_seconds: float) -> None: ...
    async def close(self) -> None: ...
