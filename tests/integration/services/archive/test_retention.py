"""Retention on a real PostgreSQL: what a sweep leaves, and that it goes on."""

import asyncio
import random
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID

import psycopg2
import pytest

from server.models import Advance, Chunk, RequestKey, Run, RunEnd, RunState
from server.repositories import retention as repository_module
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.requests import RequestRepository
from server.repositories.retention import RetentionRepository
from server.repositories.runs import RunRepository
from server.services.archive import retention as module
from server.services.archive.retention import Retention
from server.settings.groups import RetentionSettings
from tests.support.access import BY
from tests.support.postgres import execute
from tests.support.waiting import until, until_true

DISK = """
    SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits
    WHERE inhparent = 'commands_info_output'::regclass
"""
CHUNK_BYTES = 50_000


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no rest, and let all go at once."""
    monkeypatch.setattr(module, "pause_seconds", lambda _: 0.0)
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(module, "DAILY_SHARE", 1.0)


def retention(
    database: Database, told: Callable[[], None] | None = None, **bounds: int
) -> Retention:
    settings = RetentionSettings(**bounds)
    requests = RequestRepository(database)
    return Retention(
        RetentionRepository(database), requests, settings, on_removed=told or (lambda: None)
    )


async def fill(database: Database, *ages_days: float, chunks: int = 1) -> list[Run]:
    """Store a command with runs that ended so many days ago, and one that is active."""
    command = await CommandRepository(database).add("name", None, "true", by=BY)
    return [await _store(database, command.id, age, chunks) for age in [*ages_days, None]]


async def _store(database: Database, command_id: UUID, age: float | None, chunks: int) -> Run:
    run = await RunRepository(database).add(command_id, "true", "here", by=BY)
    now = datetime.now(UTC)
    end = None if age is None else RunEnd(RunState.SUCCEEDED, now - timedelta(days=age), exitcode=0)
    stored = tuple(
        Chunk(n * CHUNK_BYTES, CHUNK_BYTES, 1, 0, now, random.randbytes(CHUNK_BYTES))
        for n in range(chunks)
    )
    step = Advance(run.id, 1, 0, chunks * CHUNK_BYTES, 0, stored, start_time=now, end=end)
    assert await OutputRepository(database).append([step]) == {run.id}
    return run


async def test_it_is_told_when_runs_were_removed(database: Database) -> None:
    told: list[None] = []
    await fill(database, 3)
    sweeping = retention(database, lambda: told.append(None), days=2)
    for _ in range(2):
        await sweeping.sweep()
    assert told == [None]


async def left(database: Database) -> list[UUID]:
    page = await RunRepository(database).list(limit=1000)
    return [run.id for run in page.items][::-1]


async def number(database: Database, query: str) -> int:
    [(value,)] = await database.fetch_all(query)
    return int(value)


async def test_without_bounds_everything_is_kept(database: Database) -> None:
    runs = await fill(database, 10_000, 1, 0)
    await retention(database).sweep()
    assert await left(database) == [run.id for run in runs]


async def test_what_ended_too_long_ago_is_removed(database: Database) -> None:
    runs = await fill(database, 9, 8, 6, 1)
    await retention(database, days=7).sweep()
    assert await left(database) == [run.id for run in runs[2:]]


async def test_all_but_the_newest_of_each_command_are_removed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUNS_PER_STEP", 2)
    runs = await fill(database, *range(9, 0, -1))
    others = await fill(database, 20, 10)
    await retention(database, runs_per_command=3).sweep()
    assert await left(database) == [run.id for run in [*runs[6:], *others]]


async def test_the_oldest_are_removed_until_the_output_is_within_its_bound(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUNS_PER_STEP", 2)
    runs = await fill(database, *range(9, 0, -1))
    await retention(database, bytes=4 * CHUNK_BYTES).sweep()
    assert await left(database) == [run.id for run in runs[5:]]
    await retention(database, bytes=4 * CHUNK_BYTES - 1).sweep()
    assert await left(database) == [run.id for run in runs[6:]]


async def test_the_space_of_what_is_removed_comes_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_EMPTY_BYTES", 100_000)
    runs = await fill(database, *[9] * 30, 1, 1, chunks=12)
    full = await number(database, DISK)
    assert full > 18_000_000
    await retention(database, days=7).sweep()
    assert await left(database) == [run.id for run in runs[30:]]
    assert await number(database, DISK) < 0.25 * full
    assert len(await OutputRepository(database).chunks(runs[30].id, 0, 99)) == 12


async def test_what_a_user_deleted_is_removed_without_any_bound(database: Database) -> None:
    runs = await fill(database, 1, 1, chunks=3)
    sweeper = retention(database)
    await sweeper.sweep()
    await RunRepository(database).delete(runs[0].id, by=BY)
    await sweeper.sweep()
    assert await number(database, "SELECT count(*) FROM commands_info_output") == 6


async def test_a_table_in_use_is_written_anew_by_a_later_sweep(
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MIN_EMPTY_BYTES", 100_000)
    await fill(database, *[9] * 10, chunks=12)
    full = await number(database, DISK)
    sweeper = retention(database, days=7)
    with closing(psycopg2.connect(database_url)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM commands_info_output")
        await sweeper.sweep()
    assert await number(database, DISK) >= full
    await sweeper.sweep()
    assert await number(database, DISK) < 0.5 * full


async def test_it_waits_for_a_database_that_is_away_and_goes_on(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(database_url)
    sweeping = asyncio.create_task(retention(database, days=7).run())
    await until(lambda: "retention failed, retrying" in caplog.text)
    await database.open()
    await fill(database, 9, 1)

    async def removed() -> bool:
        return len(await left(database)) == 2

    await until_true(removed)
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping
    await database.close()


async def test_runs_that_get_old_all_at_once_are_kept_for_a_day(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock may be wrong. It is said, and after a day of it they go."""
    monkeypatch.setattr(module, "DAILY_SHARE", 0.1)
    runs = await fill(database, *[9] * 15, *[1] * 5)
    sweeper = retention(database, days=7)
    for _ in range(3):
        await sweeper.sweep()
    assert await left(database) == [run.id for run in runs]
    assert sweeper.problem().startswith("15 of 20 runs")
    assert caplog.text.count("is a clock wrong?") == 1
    monkeypatch.setattr(module, "DAY_SECONDS", 0.0)
    await sweeper.sweep()
    assert await left(database) == [run.id for run in runs[15:]]
    assert sweeper.problem() == "ok"


async def test_what_is_old_by_one_clock_alone_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is a year ahead of the database's. Runs of the future are not old either."""
    runs = await fill(database, 1, 1, -400, -400)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            return cls.fromtimestamp(datetime.now(tz).timestamp() + 365 * 24 * 3600, tz)

    monkeypatch.setattr(module, "datetime", Ahead)
    monkeypatch.setattr(repository_module, "datetime", Ahead)
    await retention(database, days=7).sweep()
    assert await left(database) == [run.id for run in runs]


async def test_a_run_that_the_database_does_not_delete_keeps_no_other(
    database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A table of somebody else's leads to it."""
    runs = await fill(database, *[9] * 7, 1)
    execute(
        database_url,
        "CREATE TABLE notes (run UUID REFERENCES commands_info (id))",
        f"INSERT INTO notes VALUES ('{runs[3].id}')",  # noqa: S608
    )
    sweeper = retention(database, days=7)
    await sweeper.sweep()
    await sweeper.sweep()
    assert await left(database) == [run.id for run in (runs[3], *runs[7:])]
    assert caplog.text.count("run not deleted") == 1
    execute(database_url, "DROP TABLE notes")
    await sweeper.sweep()
    assert await left(database) == [run.id for run in runs[7:]]


async def test_keys_of_requests_are_forgotten_after_a_day(
    database: Database, database_url: str
) -> None:
    command = CommandRepository(database)
    made = [
        await command.add("name", None, "true", request=RequestKey(key, b"asked"), by=BY)
        for key in ("old", "new")
    ]
    requests = RequestRepository(database)
    execute(
        database_url,
        "UPDATE commands_requests SET created_at = now() - interval '25 hours' WHERE key = 'old'",
    )
    assert await requests.find("old") is None
    found = await requests.find("new")
    assert found is not None
    assert (found.command_id, found.run_id) == (made[1].id, None)
    await retention(database).sweep()
    assert await number(database, "SELECT count(*) FROM commands_requests") == 1
    again = await command.add("name", None, "true", request=RequestKey("old", b"asked"), by=BY)
    assert again.id != made[0].id
