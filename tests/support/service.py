"""The whole service as a process of its own, as users run it."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from copy import copy
from pathlib import Path
from typing import Self

from server.keeper.client import KeeperClient
from tests.support.waiting import patience, until_true

ROOT = Path(__file__).parents[2]


class Service:
    """A Tailrun server on a free port of the loopback interface, of the code in `tree`."""

    def __init__(
        self,
        state_dir: Path,
        database_url: str | None,
        tree: Path = ROOT,
        /,
        **settings: str,
    ) -> None:
        self.state_dir = state_dir
        self._tree = tree
        self._settings = {"port": "0", "state_dir": str(state_dir), **settings}
        if database_url is not None:
            self._settings["database_url"] = database_url
        if "nats_url" in settings:
            self.set(nats_url=settings["nats_url"])
        self._process: Process | None = None
        self._log = state_dir.parent / f"{state_dir.name}.log"
        self.address = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the server is started with."""
        own = {f"TAILRUN_{name.upper()}": value for name, value in self._settings.items()}
        return environment_without_settings() | own

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def log(self) -> str:
        """What the server has written to its stderr, in all of its lives; it may come late."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def set(self, **settings: str) -> None:
        """Change settings for the next start; servers that meet have one key."""
        if "nats_url" in settings and "fleet_key_file" not in self._settings:
            from tests.support.fleet import key_file  # noqa: PLC0415  most tests have no fleet

            self._settings["fleet_key_file"] = str(key_file(self.state_dir.parent))
        self._settings.update(settings)

    async def start(self, *prefix: str) -> "Service":
        """Start the server, by a command that it follows, and wait until it tells its address."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*prefix, sys.executable, "-m", "server"),
                cwd=self._tree,
                env=self.environment,
                stdout=PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with patience():
            line = (await self._process.stdout.readline()).decode()
        match = re.search(r"serves (https?://\S+?)/ ", line)
        assert match, f"the server did not start: {line}{self.log}"
        self.address = match[1]
        return self

    async def refused(self, *arguments: str) -> tuple[int | None, str]:
        """Start a server that is to end by itself; return its exit code and what it says."""
        process = await self.begin(*arguments)
        async with patience():
            said, _ = await process.communicate()
        return process.returncode, said.decode()

    async def begin(self, *arguments: str) -> Process:
        """Start Tailrun with these arguments and the server's environment."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", *arguments),
            cwd=self._tree,
            env=self.environment,
            stdout=PIPE,
            stderr=STDOUT,
        )

    async def copied(self, state_dir: Path) -> Self:
        """Copy its state directory, as it is; return the other one, which is not started."""
        copying = await asyncio.create_subprocess_exec("cp", "-a", self.state_dir, state_dir)
        assert await copying.wait() == 0
        other = copy(self)
        other.state_dir, other._process = state_dir, None
        other._settings = self._settings | {"state_dir": str(state_dir)}
        other._log = state_dir.parent / f"{state_dir.name}.log"
        return other

    async def kill(self) -> None:
        """SIGKILL the server."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM the server and return its exit code; 0 when it does not run."""
        return await self._end(signal.SIGTERM)

    async def interrupt(self) -> int:
        """SIGINT the server, as Ctrl-C does, and return its exit code."""
        return await self._end(signal.SIGINT)

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

            async def idle() -> bool:
                return not await keeper.runs()

            await until_true(idle)
        finally:
            await keeper.close()
        os.kill(pid, signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with patience():
            await self._process.communicate()
        code, self._process = await self._process.wait(), None
        return code


def environment_without_settings() -> dict[str, str]:
    """Return this process's environment without Tailrun's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAILRUN_")}
