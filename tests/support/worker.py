"""A worker as a process of its own, as users run it."""

import os
import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, Process
from collections.abc import Collection
from pathlib import Path

import aiohttp

from server.keeper import processes
from server.wire.enrolment import ENROLMENT_FILE
from tests.support.fleet import enrol_by_hand
from tests.support.service import ROOT, Service
from tests.support.waiting import patience, until


class Worker(Service):
    """A Tailrun worker, on a state directory of its own.

    Unless it is enrolled with a server, it believes those that sign with the tests' own key.
    """

    def __init__(self, state_dir: Path, nats_url: str | None, **settings: str) -> None:
        at = {} if nats_url is None else {"nats_url": nats_url}
        super().__init__(state_dir, None, ROOT, **at, **settings)

    @property
    def is_enrolled(self) -> bool:
        """Whether it knows any servers."""
        return (self.state_dir / ENROLMENT_FILE).exists()

    async def enrol(
        self,
        server: Service,
        *,
        pools: Collection[str] = ("build",),
        labels: Collection[str] = (),
        places: int = 100,
        name: str | None = None,
    ) -> None:
        """Have a server let it in, as an operator does, if it is not yet."""
        if self.is_enrolled:
            return
        place = {"pools": [*pools], "labels": [*labels], "places": places}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{server.address}/api/v1/workers/tokens", json=place) as answer,
        ):
            token = (await answer.json())["token"]
        said = ("enroll", server.address, "--token", token, "--name", name or self.state_dir.name)
        code, text = await self.refused("worker", *said)
        assert code == 0, text

    async def start(self, *prefix: str) -> "Worker":
        """Start it, and wait until servers have answered it."""
        process = await self.launch(*prefix)
        assert process.stdout is not None
        async with patience():
            line = (await process.stdout.readline()).decode()
        assert " for the servers at " in line, f"it did not start: {line}{self.log}"
        return self

    async def launch(self, *prefix: str) -> Process:
        """Start it; return its process, whatever servers answer it."""
        if not self.is_enrolled:
            enrol_by_hand(self.state_dir, self._settings["nats_url"])
        with self._log.open("ab") as log:
            self._process = await create_subprocess_exec(
                *(*prefix, sys.executable, "-m", "server", "worker"),
                cwd=ROOT,
                env=self.environment,
                stdout=PIPE,
                stderr=log,
            )
        return self._process

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
