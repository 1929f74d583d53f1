"""The real Archiver with the runs that it follows: real spools, a real database."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import zstandard

from server.errors import DatabaseUnavailableError
from server.keeper.records import ExitRecord
from server.keeper.spool import Spool
from server.models import Advance, Chunk, Position, Run, RunEnd, RunState
from server.output.log import RunLog
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.hooks import HookRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.archive.archiver import Archiver
from server.services.archive.followed import Followed
from server.services.archive.packing import CHUNK_BYTES
from server.services.faults import Faults
from server.services.ledger.sql import SqlLedger
from server.services.metrics import Metrics
from server.services.running import outcome
from server.services.running.live import LiveRun
from server.settings.groups import ArchiveSettings
from tests.support.access import BY
from tests.support.waiting import patience, until

PREVIEW_BYTES = 200


class Outputs(OutputRepository):
    """The real archive, which notes what it is asked and loses calls as it is told to.

    `lose` is asked before (`append`, `positions`, `marks`) and after (`appended`) a call has come
    through.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked: list[Advance] = []
        self.advances: list[Advance] = []
        self.lose: Callable[[str], bool] = lambda _call: False

    async def append(
        self, advances: Sequence[Advance], *, hosts: Mapping[UUID, str] | None = None
    ) -> set[UUID]:
        self._call("append")
        self.asked += advances
        moved = await super().append(advances, hosts=hosts)
        self.advances += [advance for advance in advances if advance.run_id in moved]
        self._call("appended")
        return moved

    async def positions(
        self, run_ids: Iterable[UUID], *, host: str | None = None
    ) -> dict[UUID, Position]:
        self._call("positions")
        return await super().positions(run_ids, host=host)

    async def marks(self, run_id: UUID, start: int, end: int, limit: int) -> list[Chunk]:
        self._call("marks")
        return await super().marks(run_id, start, end, limit)

    def _call(self, call: str) -> None:
        if self.lose(call):
            raise DatabaseUnavailableError(f"The answer to {call} was lost.")


class Site:
    """An Archiver at work, and the runs that it follows."""

    def __init__(
        self,
        database: Database,
        root: Path,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        apart_seconds: float = 0.0,
    ) -> None:
        self.database = database
        self.outputs = Outputs(database)
        self.spool = Spool(root)
        metrics = Metrics()
        self.faults = Faults(metrics)
        self.archiver = Archiver(
            SqlLedger("here", RunRepository(database), self.outputs, HookRepository(database)),
            ArchiveSettings(flush_bytes=4096, flush_seconds=0, preview_bytes=PREVIEW_BYTES),
            metrics=metrics,
            faults=self.faults,
            chunk_bytes=chunk_bytes,
            apart_seconds=apart_seconds,
        )
        self.archiving = asyncio.create_task(self.archiver.run())

    async def run(self, clock: Callable[[], float] = time.time) -> "LiveLog":
        """Start a run that has a spool, and follow it."""
        command = await CommandRepository(self.database).add("name", None, "true", by=BY)
        run = await RunRepository(self.database).add(command.id, "true", "here", by=BY)
        self.spool.create(str(run.id), b"true")
        return LiveLog(self, run, clock=clock)

    async def output(self, run_id: UUID) -> bytes:
        """Return what is archived of a run; the offsets leave no gap."""
        data = b""
        sql = "SELECT byte_offset, data FROM commands_info_output WHERE commands_info_id = %(id)s"
        for offset, stored in await self.database.fetch_all(
            f"{sql} ORDER BY byte_offset", {"id": run_id}
        ):
            assert offset == len(data)
            data += zstandard.decompress(stored)
        return data

    async def preview(self, run_id: UUID) -> str:
        row = await self.database.fetch_one(
            "SELECT output FROM commands_info WHERE id = %(id)s", {"id": run_id}
        )
        assert row is not None
        text: str = row[0]
        return text

    async def stored(self, run_id: UUID) -> Run:
        return await RunRepository(self.database).get(run_id)


class LiveLog:
    """A run that the Archiver follows, and what its keeper would do in its spool."""

    def __init__(
        self,
        site: Site,
        run: Run,
        *,
        marks: Iterable[tuple[int, float]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.site = site
        self.id = run.id
        self.written = b""
        directory = site.spool.directory(str(run.id))
        self.log = RunLog(directory, marks=marks, clock=clock)
        self.live = LiveRun(run)
        self.live.mark_started(
            self.log, datetime(2026, 1, 2, tzinfo=UTC), stopping=False, paused=False
        )
        self.following = asyncio.create_task(
            site.archiver.follow(self.live, self.log, self._end_of)
        )

    def _end_of(self, offset: int, fault: str | None) -> RunEnd:
        def recorded() -> RunEnd:
            record = self.site.spool.read_exit(str(self.id))
            assert record is not None
            return outcome.run_end(record)

        missing = outcome.OUTPUT_CUT if fault is None and self.log.damaged else fault
        return outcome.archived(offset, missing, recorded)

    def write(self, data: bytes) -> None:
        with self.site.spool.output_path(str(self.id)).open("ab", buffering=0) as file:
            file.write(data)
        self.written += data
        self.log.refresh()

    async def archived(self) -> None:
        """Wait until all that was written is archived."""
        await until(lambda: self.live.run.output_bytes == len(self.written))

    def end(self, exitcode: int = 0) -> None:
        self.site.spool.write_exit(str(self.id), ExitRecord(exitcode=exitcode, ended_at=1e9))
        self.log.refresh()

    async def followed(self) -> bool:
        """Wait until the Archiver has done with the run; tell whether it ended it."""
        async with patience():
            return await self.following is Followed.ENDED

    async def assert_whole(self) -> None:
        """Assert that the run ended in the database with each of its bytes once."""
        assert await self.followed()
        stored = await self.site.stored(self.id)
        assert await self.site.output(self.id) == self.written
        assert stored.state is RunState.SUCCEEDED
        newlines = self.written.count(b"\n")
        assert (stored.output_bytes, stored.output_lines) == (len(self.written), newlines)
        assert self.live.run == stored
