"""One process of a torture: a server, or a worker."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from server.keeper.failpoints import VARIABLE
from tests.support.service import ROOT

START_SECONDS = 60.0
END_SECONDS = 60.0


SERVING = re.compile(r" (?:serves|works for the servers at) (\S+?)/? ")


class Server:
    """A server that was started; `address` is None until it serves; a worker's is where NATS is.

    `doomed` tells that its end is our doing: somebody has signalled it, or armed a failpoint.
    """

    def __init__(self, process: Process, failpoints: str) -> None:
        self.address: str | None = None
        self.failpoints = failpoints
        self.doomed = bool(failpoints)
        self._process = process
        self._ended = asyncio.create_task(process.wait(), name=f"server {process.pid}")

    @classmethod
    async def spawn(
        cls, environment: Mapping[str, str], log: Path, failpoints: str = "", *arguments: str
    ) -> "Server":
        """Start a server, or with an argument a worker; its stderr goes to the end of `log`."""
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", *arguments),
                cwd=ROOT,
                env={**environment, VARIABLE: failpoints},
                stdout=PIPE,
                stderr=stderr,
            )
        return cls(process, failpoints)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit code, or -n for signal n; None while it runs."""
        return self._process.returncode

    async def serves(self, seconds: float | None = START_SECONDS) -> bool:
        """Wait until it serves, so long at most; False when it ended before."""
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            line = (await self._process.stdout.readline()).decode()
            match = SERVING.search(line)
            if match is None:
                await self.ended()
                return False
        self.address = match[1]
        return True

    async def ended(self, seconds: float = END_SECONDS) -> int | None:
        """Wait for its end, so long at most, and return the exit status."""
        await asyncio.wait({self._ended}, timeout=seconds)
        return self.exit_status

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended; it may end by itself right now."""
        self.doomed = self.doomed or number not in {signal.SIGSTOP, signal.SIGCONT}
        if self.exit_status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def kill(self) -> None:
        """SIGKILL it, and return when it is gone."""
        self.signal(signal.SIGKILL)
        await self.ended()
