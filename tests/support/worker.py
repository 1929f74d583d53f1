"""A worker as a process of its own, as users run it."""

import os
import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from pathlib import Path

from server.keeper import processes
from tests.support.service import ROOT, Service
from tests.support.waiting import patience, until


class Worker(Service):
    """A Tailrun worker, on a state directory of its own."""

    def __init__(self, state_dir: Path, nats_url: str | None, **settings: str) -> None:
        at = {} if nats_url is None else {"nats_url": nats_url}
        super().__init__(state_dir, None, ROOT, **at, **settings)

    async def start(self, *prefix: str) -> "Worker":
        """Start it, and wait until servers have answered it."""
        with self._log.open("ab") as log:
            self._process = await create_subprocess_exec(
                *(*prefix, sys.executable, "-m", "server", "worker"),
                cwd=ROOT,
                env=self.environment,
                stdout=PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with patience():
            line = (await self._process.stdout.readline()).decode()
        assert " for the servers at " in line, f"it did not start: {line}{self.log}"
        return self

    async def kill_keeper(self) -> None:
        """SIGKILL the keeper; it is not asked before."""
        pid = await self.keeper_pid()
        os.kill(pid, signal.SIGKILL)

        def gone() -> bool:
            process = processes.read(pid)
            return process is None or process.ended

        await until(gone)

    async def clear(self) -> None:
        """End it, and leave nothing of its keeper and runs."""
        await self.kill()
        await self.end_keeper()
