"""What brings runs to their ends, on a real keeper, real spools and a real database."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from server.definition import NO_OPTIONS, PLAIN_START, Options, StartAsked
from server.keeper.client import KeeperClient
from server.keeper.records import Limits
from server.keeper.spool import Spool
from server.models import Advance, Command, Run, RunEnd
from server.output.watch import Watch
from server.repositories.claims import ClaimRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.hooks import HookRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.repositories.turns import TurnRepository
from server.services.archive.archiver import Archiver
from server.services.faults import Faults
from server.services.hosts.local import LocalHost
from server.services.hosts.pools import Pools
from server.services.hosts.unclaimed import Unclaimed
from server.services.ledger.sql import SqlLedger
from server.services.metrics import Metrics
from server.services.running.active import ActiveRuns
from server.services.running.assembly import Means, Running
from server.services.running.claiming import Claiming
from server.services.running.launch import Launch
from server.services.running.live import LiveRun
from server.services.running.turns import Turns
from server.services.starting.starts import Starts
from server.services.tasks import Tasks
from server.settings.groups import ArchiveSettings
from tests.support.access import BY
from tests.support.service import Service
from tests.support.waiting import until

HOST = "here"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Site:
    """A server's runs on a state directory; `begin` recovers what is there, and works."""

    def __init__(
        self,
        database: Database,
        state_dir: Path,
        *,
        host: str = HOST,
        max_concurrent_runs: int = 10,
        pools: Sequence[str] = (),
        labels: Sequence[str] = (),
    ) -> None:
        self.database = database
        self.spool = Spool.of(state_dir)
        self.tasks = Tasks()
        self.commands = CommandRepository(database)
        self.runs = RunRepository(database)
        self.outputs = OutputRepository(database)
        self.ledger = SqlLedger(host, self.runs, self.outputs, HookRepository(database))
        self.keeper = KeeperClient(state_dir)
        self.watch = Watch()
        metrics = Metrics()
        self.faults = Faults(metrics)
        self.archiver = Archiver(
            self.ledger,
            ArchiveSettings(flush_bytes=4096, flush_seconds=0, preview_bytes=100),
            metrics=metrics,
            faults=self.faults,
        )
        self.active = ActiveRuns(max_concurrent_runs=max_concurrent_runs, max_runs_per_command=10)
        means = Means(
            host=host,
            launch=Launch(  # noqa: S604  the setting of that name
                shell="/bin/sh",
                directory=Path("/"),
                environment={"PATH": os.defpath},
                limits=Limits(),
            ),
            spool=self.spool,
            keeper=self.keeper,
            watch=self.watch,
            archiver=self.archiver,
            ledger=self.ledger,
            active=self.active,
            tasks=self.tasks,
            metrics=metrics,
            faults=self.faults,
        )
        running = Running(means)
        self.runner, self.control = running.runner, running.control
        self.finisher = running.finisher
        self.recovery, self.housekeeping = running.recovery, running.housekeeping
        self.turns = Turns(
            host=host,
            active=self.active,
            turns=TurnRepository(database),
            run_tasks=running.run_tasks,
            finisher=running.finisher,
            faults=self.faults,
        )
        self.turns.stop = self._stop
        self.claims = ClaimRepository(database)
        self.unclaimed = Unclaimed(self.claims, TurnRepository(database))

        async def claim(limit: int) -> Sequence[Run]:
            return await self.claims.claim(
                host, pools=pools, labels=labels, places=max_concurrent_runs, limit=limit
            )

        self.claiming = Claiming(claim, ledger=self.ledger, active=self.active, runner=self.runner)
        self.claims_runs = bool(pools)
        if pools:
            self.active.on_gone = self.claiming.note_gone
            self.unclaimed.on_ready = lambda _: self.claiming.ring()
        local = LocalHost(host, self.active, self.runner, self.control, running.finisher, self.runs)
        self.hosts = Pools(host, local, self.unclaimed, self.claims, self.claiming.settled)
        self.starts = Starts(host, self.hosts, self.runs, self.active.admit)

    async def begin(self) -> None:
        await self.recovery.recover(self.ledger)
        self.tasks.start(self.archiver.run(), "archiver")
        self.tasks.start(self.runner.dispatch_queue(), "dispatch")
        self.tasks.start(self.turns.run(), "turns")
        self.tasks.start(self.unclaimed.run(), "runs of pools")
        if self.claims_runs:
            self.tasks.start(self.claiming.run(), "claims")

    async def command(self, script: str, options: Options = NO_OPTIONS) -> Command:
        return await self.commands.add("name", None, script, options=options, by=BY)

    async def queued(self, script: str = "true", host: str = HOST) -> Run:
        """Store a run as queued, as a server does that dies right then."""
        return await self.runs.add((await self.command(script)).id, script, host, by=BY)

    async def start(self, script: str) -> LiveRun:
        return await self.start_of(await self.command(script))

    async def start_of(self, command: Command, asked: StartAsked = PLAIN_START) -> LiveRun:
        view = await self.starts.start(command, asked, by=BY)
        live = self.active.get(view.run.id)
        assert live is not None
        return live

    async def ended(self, live: LiveRun) -> Run:
        """Wait until a run's end is stored and its spool removed; return the stored run."""
        await until(lambda: live.run.state.final)
        await until(lambda: not self.spool.directory(str(live.run.id)).exists())
        return await self.runs.get(live.run.id)

    async def _stop(self, run_id: UUID, _replaced_by: UUID) -> None:
        await self.control.stop(run_id, signal="SIGTERM", grace_seconds=5)

    async def close(self) -> None:
        await self.tasks.cancel()
        self.watch.close()
        await self.keeper.close()


@asynccontextmanager
async def a_site(database: Database, state_dir: Path, **options: Any) -> AsyncIterator[Site]:
    """Provide a site that has not begun; leave nothing of its keeper and runs."""
    site = Site(database, state_dir, **options)
    try:
        yield site
    finally:
        await site.close()
        await Service(state_dir, None).end_keeper()
    assert not site.tasks.failed.is_set()


async def store(site: Site, run: Run, data: bytes = b"", end: RunEnd | None = None) -> None:
    """Have a run written as an Archiver would that had seen it start."""
    advance = Advance(run.id, run.epoch, 0, len(data), 0, start_time=NOW, end=end)
    assert await site.outputs.append([advance])
