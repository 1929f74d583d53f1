"""Space that retention gives back: `python -m bench.space` fills 2 GB and removes nine tenths.

Of 1,000 runs, those that are removed lie at random among those that are kept. Meanwhile output is
archived and lists are asked for, as a service does. What was found goes to results/space.md.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import machine
from server.models import Advance, Chunk, Run, RunEnd, RunState
from server.repositories.commands import CommandRepository
from server.repositories.database import migrate
from server.repositories.database.database import Database
from server.repositories.embedded.server import EmbeddedDatabase
from server.repositories.output import OutputRepository
from server.repositories.requests import RequestRepository
from server.repositories.retention import RetentionRepository
from server.repositories.runs import RunRepository
from server.resources import migrations_directory
from server.services.archive.retention import Retention
from server.settings.groups import RetentionSettings

RESULT = Path(__file__).with_name("results") / "space.md"
RUNS = 1000
CHUNKS = [200_000] * 10
KEPT_DAYS = 7
PAUSE_SECONDS = 0.05

SWEEPS, SWEEP_SECONDS = 3, 20.0
"""A table that autovacuum has just taken is written anew by a later sweep."""

TABLES = """
    SELECT pg_total_relation_size('commands_info') + (
        SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits
        WHERE inhparent = 'commands_info_output'::regclass
    )
"""


class Service:
    """What a service asks of its database, and how long each answer takes."""

    def __init__(self, database: Database) -> None:
        self._runs = RunRepository(database)
        self._outputs = OutputRepository(database)
        self._commands = CommandRepository(database)
        self.waits: dict[str, list[float]] = {}

    async def store(self, run: Run, sizes: Sequence[int], age_days: float) -> None:
        """Archive a whole run that ended some days ago, in one statement."""
        now = datetime.now(UTC)
        offsets = [0, *itertools.accumulate(sizes)]
        chunks = tuple(
            Chunk(offset, size, 1, 0, now, random.randbytes(size))
            for offset, size in zip(offsets, sizes, strict=False)
        )
        end = RunEnd(RunState.SUCCEEDED, now - timedelta(days=age_days), exitcode=0)
        step = Advance(run.id, 1, 0, offsets[-1], 0, chunks, "x" * 4000, now, end)
        assert await self._outputs.append([step]) == {run.id}

    async def fill(self, runs: int) -> None:
        """Store runs of a command; every tenth is new."""
        command = await self._commands.add("bench", None, "true")
        for number in range(runs):
            run = await self._runs.add(command.id, "true", "here")
            await self.store(run, CHUNKS, 0 if number % 10 == 0 else 2 * KEPT_DAYS)

    async def use(self) -> None:
        """Start runs, archive them, list, read back, for ever."""
        command = await self._commands.add("used", None, "true")
        while True:
            run: Run = await self._timed("start", lambda: self._runs.add(command.id, "true", "me"))
            await self._timed("archive 20 kB", lambda: self.store(run, [20_000], 0))  # noqa: B023
            await self._timed("list", lambda: self._runs.list(limit=50))
            await self._timed("read back", lambda: self._outputs.chunks(run.id, 0, 4))  # noqa: B023
            await asyncio.sleep(PAUSE_SECONDS)

    async def _timed(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        began = time.perf_counter()
        answer = await call()
        self.waits.setdefault(name, []).append(time.perf_counter() - began)
        return answer


async def used_for(service: Service, work: Awaitable[object]) -> dict[str, list[float]]:
    """Use the service while something else is done; return how long it waited."""
    service.waits = {}
    using = asyncio.create_task(service.use())
    await work
    using.cancel()
    await asyncio.wait({using})
    return service.waits


def _sizes(when: str, directory: Path, tables: int) -> list[str]:
    parts = [directory / "database", directory / "database/base", directory / "database/pg_wal"]
    disk = [
        int(
            subprocess.run(
                ["du", "-s", "-B1", part], capture_output=True, check=True
            ).stdout.split()[0]
        )
        for part in parts
    ]
    return [when, *(f"{size / 1e6:,.0f}" for size in (tables, *disk))]


def _waits(when: str, waits: dict[str, list[float]]) -> list[list[str]]:
    return [
        [when, name, str(len(taken)), *(f"{1000 * value:.1f}" for value in _spread(taken))]
        for name, taken in waits.items()
    ]


def _spread(taken: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(taken)
    return statistics.median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1]


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (headings, ["---"] * len(headings), *lines)]


async def measure(directory: Path, runs: int) -> list[str]:
    """Fill, remove, and tell what was found."""
    server = EmbeddedDatabase(directory / "database")
    url = await server.start()
    await migrate.apply(url, migrations_directory())
    database = Database(url)
    await database.open()
    service = Service(database)
    sizes: list[list[str]] = []

    async def look(when: str) -> None:
        await database.fetch_all("CHECKPOINT; SELECT 1", timeout_seconds=60)
        [(tables,)] = await database.fetch_all(TABLES)
        sizes.append(_sizes(when, directory, tables))
        print(sizes[-1], flush=True)

    try:
        await look("empty")
        await service.fill(runs)
        await look("filled")
        quiet = await used_for(service, asyncio.sleep(10))
        began = time.monotonic()
        retention = Retention(
            RetentionRepository(database),
            RequestRepository(database),
            RetentionSettings(days=KEPT_DAYS),
        )
        busy = await used_for(service, retention.sweep())
        seconds = time.monotonic() - began
        await look("nine tenths removed")
        for _ in range(SWEEPS):
            await asyncio.sleep(SWEEP_SECONDS)
            await retention.sweep()
        await look("after the next sweeps")
    finally:
        await database.close()
        await server.stop()
    return [
        *_table(("", "tables MB", "data directory MB", "of it base MB", "of it WAL MB"), sizes),
        "",
        f"The sweep took {seconds:.0f} s, most of them rests. What the service waited:",
        "",
        *_table(
            ("", "call", "n", "median ms", "p99 ms", "most ms"),
            [*_waits("without", quiet), *_waits("during the sweep", busy)],
        ),
    ]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.space", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of 2 MB each ({RUNS})")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="tailrun-space-") as directory:
        found = asyncio.run(measure(Path(directory), runs))
    facts = " · ".join(f"{name} {value}" for name, value in machine.describe().items())
    text = "\n".join(["# Space that retention gives back", "", facts, "", *found]) + "\n"
    RESULT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
