"""A real keeper for a test, in a state directory of its own."""

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.keeper import processes
from server.keeper.cgroups.place import CgroupError, current
from server.keeper.client import KEEPER_COMMAND, KeeperClient
from server.keeper.protocol import Hello, StartRequest
from server.keeper.records import ExitRecord
from server.keeper.spool import Spool
from tests.support.waiting import until

GO_ON = 'while ! [ -e "$TAILRUN_RUN_DIRECTORY/go" ]; do sleep 0.02; done; '
"""What a script waits with until `go`."""

BOUNDS = {"max_output_bytes": 2000, "tail_bytes": 1000, "output_policy": "head_and_tail"}
"""Of an output with a tail."""


def gone(pid: int) -> bool:
    """Whether no process of this pid runs."""
    process = processes.read(pid)
    return process is None or process.ended


# /proc shows root alone what is within a process that is not dumpable (proc_pid(5)).
looks_within_keeper = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


class Host:
    """A state directory, its keeper's client, and short ways to run scripts."""

    def __init__(self, state_dir: Path, **options: Any) -> None:
        self.state_dir = state_dir
        self.lost = asyncio.Event()
        options = {"command": keeper_command()} | options
        self.client = KeeperClient(state_dir, on_lost=self.lost.set, **options)
        self.spool = Spool.of(state_dir)

    async def hello(self) -> Hello:
        return await self.client.open()

    async def kill_keeper(self) -> int:
        """Kill the keeper and return which it was; the client has noticed, and started none."""
        pid = (await self.hello()).pid
        self.lost.clear()
        os.kill(pid, signal.SIGKILL)
        await self.lost.wait()
        await until(lambda: gone(pid))
        return pid

    async def start(self, script: str, **fields: Any) -> str:
        run_id = str(uuid.uuid4())
        assert await self.client.start(self.request(run_id, script, **fields))
        return run_id

    def request(self, run_id: str, script: str, **fields: Any) -> StartRequest:
        defaults: dict[str, Any] = {
            "shell": "/bin/sh",
            "directory": "/",
            "environment": {"PATH": os.environ["PATH"]},
            "grace_seconds": 5.0,
        }
        return StartRequest(run_id=run_id, script=script, **(defaults | fields))

    async def stop(self, run_id: str, name: str = "SIGTERM", grace_seconds: float = 20.0) -> bool:
        return await self.client.stop(run_id, signal=name, grace_seconds=grace_seconds)

    async def ended(self, run_id: str) -> ExitRecord:
        return await until(lambda: self.spool.read_exit(run_id))

    async def finish(self, script: str, **fields: Any) -> tuple[ExitRecord, bytes]:
        run_id = await self.start(script, **fields)
        return await self.ended(run_id), self.output(run_id)

    def output(self, run_id: str) -> bytes:
        return self.spool.output_path(run_id).read_bytes()

    async def wrote(self, run_id: str, text: bytes) -> bytes:
        """Wait until the run has written the text, and return its output."""
        await until(lambda: text in self.output(run_id))
        return self.output(run_id)

    async def numbers(self, run_id: str, count: int) -> list[int]:
        """Wait until the run has written so many whole lines, each a number; return them."""
        await until(lambda: self.output(run_id).count(b"\n") >= count)
        return [int(line) for line in self.output(run_id).split()]

    def log(self) -> str:
        return (self.state_dir / "keeper" / "log").read_text()

    async def clear(self) -> None:
        """End every run and the keeper, and see that nothing is left of them."""
        pid = (await self.hello()).pid
        for run_id in await self.client.runs():
            await self.stop(run_id, "SIGKILL", 0)
        await until(lambda: not set(processes.owners().values()) & set(self.spool.run_ids()))
        await self.client.close()
        await until(lambda: gone(pid) or not processes.children(pid))
        while not gone(pid):
            os.kill(pid, signal.SIGTERM)  # it ignores one that comes before its last run is over
            with contextlib.suppress(TimeoutError):
                await until(lambda: gone(pid), seconds=1)


def keeper_command() -> tuple[str, ...]:
    """Return how the keeper is started: as ever, or measured when the tests' coverage is."""
    coverage = os.environ.get("COVERAGE_PROCESS_CONFIG")
    if coverage is None:
        return KEEPER_COMMAND
    setting = f"COVERAGE_PROCESS_CONFIG={coverage}"
    return ("/usr/bin/env", setting, sys.executable, KEEPER_COMMAND[-1])


def without_cgroups() -> tuple[str, ...]:
    """Return how a keeper is started for which the cgroups of this machine are read-only."""
    as_root = () if os.getuid() == 0 else ("--map-root-user",)
    try:
        place = str(current().place())
    except CgroupError:
        return keeper_command()
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    shell = ("/bin/sh", "-c", script, place)
    return ("/usr/bin/unshare", "--mount", *as_root, *shell, *keeper_command())


@contextlib.asynccontextmanager
async def a_host(state_dir: Path, **options: Any) -> AsyncIterator[Host]:
    """Provide a host whose keeper was not started yet, and leave nothing of it."""
    host = Host(state_dir, **options)
    try:
        yield host
    finally:
        await host.clear()
    assert "Traceback" not in host.log()


def go(host: Host, run_id: str) -> None:
    """Let a script that waits go on."""
    (host.spool.work(run_id) / "go").touch()


def rewrite(path: Path) -> None:
    """As `sed -i` does."""
    path.with_name("sed").write_bytes(b"else\n")
    path.with_name("sed").replace(path)
