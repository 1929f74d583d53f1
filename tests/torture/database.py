"""The PostgreSQL of a torture, and what is done to it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from server.keeper import processes
from server.repositories.embedded import programs
from server.repositories.embedded.server import EmbeddedDatabase
from tests.support.postgres import execute


class TorturedDatabase:
    """A server of its own, in `directory`.

    It need not outlive the machine (fsync is off), but every crash of its own processes: what it
    says is committed is in the kernel's hands.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = EmbeddedDatabase(directory)

    async def start(self) -> str:
        """Start it, recovering if need be; return its URL."""
        return await self._server.start()

    async def set_up(self) -> str:
        """Start it for the first time; return its URL."""
        url = await self.start()
        execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        return url

    async def end(self) -> None:
        """Stop it in order, frozen or not."""
        self.thaw()
        await self._server.stop()

    async def stop_immediately(self) -> None:
        """Have it drop everything; the next start recovers."""
        arguments = ("stop", "--silent", "--mode=immediate")
        await asyncio.to_thread(programs.run, "pg_ctl", *arguments, directory=self._directory)

    def kill(self) -> None:
        """SIGKILL all of its processes."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop all of its processes where they are."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in list(self._processes()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _processes(self) -> Iterator[int]:
        with suppress(FileNotFoundError):
            postmaster = (self._directory / "postmaster.pid").read_text().split()[0]
            yield from processes.with_descendants([int(postmaster)])
