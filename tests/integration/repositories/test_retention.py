"""Removing old runs in steps on a real PostgreSQL, and what their space becomes."""

import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg2
import pytest

from server.errors import DatabaseUnavailableError
from server.models import Advance, Chunk, Run, RunEnd, RunState
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.output import OutputRepository
from server.repositories.retention import RetentionRepository, Table
from server.repositories.runs import RunRepository
from tests.support.access import BY
from tests.support.postgres import execute

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
NOTED = "SELECT count(*) FROM commands_info_deleted"
CHUNKS = "SELECT count(*) FROM commands_info_output"


@pytest.fixture
def retention(database: Database) -> RetentionRepository:
    return RetentionRepository(database)


@pytest.fixture
async def command_id(database: Database) -> UUID:
    return (await CommandRepository(database).add("name", None, "true", by=BY)).id


async def add(
    database: Database, command_id: UUID, *pieces: bytes, ended_at: datetime | None = NOW
) -> Run:
    """Store a run with its output, a chunk a piece (not compressed: any bytes will do)."""
    run = await RunRepository(database).add(command_id, "true", "here", by=BY)
    chunks: list[Chunk] = []
    offset = 0
    for data in pieces:
        chunks.append(Chunk(offset, len(data), 1, 0, NOW, data))
        offset += len(data)
    end = None if ended_at is None else RunEnd(RunState.SUCCEEDED, ended_at, exitcode=0)
    step = Advance(run.id, 1, 0, offset, 0, tuple(chunks), start_time=NOW, end=end)
    assert await OutputRepository(database).append([step]) == {run.id}
    return run


async def left(database: Database) -> set[UUID]:
    return {run.id for run in (await RunRepository(database).list(limit=1000)).items}


async def count(database: Database, query: str) -> int:
    [(number,)] = await database.fetch_all(query)
    return int(number)


async def test_what_ended_before_a_moment_goes_oldest_first(
    retention: RetentionRepository, database: Database, command_id: UUID
) -> None:
    ends = [NOW - timedelta(days=days) for days in (0, 3, 1, 2)]
    runs = [await add(database, command_id, ended_at=end) for end in ends]
    active = await add(database, command_id, ended_at=None)
    moment = NOW - timedelta(hours=12)
    assert await retention.delete_ended_before(moment, 2) == 2
    assert await left(database) == {runs[0].id, runs[2].id, active.id}
    assert await retention.delete_ended_before(moment, 2) == 1
    assert await retention.delete_ended_before(moment, 2) == 0
    assert await left(database) == {runs[0].id, active.id}


async def test_what_is_beyond_the_newest_of_a_command_goes(
    retention: RetentionRepository, database: Database, command_id: UUID
) -> None:
    other = (await CommandRepository(database).add("other", None, "true", by=BY)).id
    runs = [await add(database, command_id) for _ in range(5)]
    theirs = [await add(database, other) for _ in range(2)]
    active = await add(database, command_id, ended_at=None)
    assert set(await retention.crowded(1)) == {command_id, other}
    assert await retention.crowded(2) == [command_id]
    assert await retention.delete_beyond(command_id, 2, 2) == 2
    assert await retention.delete_beyond(command_id, 2, 2) == 1
    assert await retention.delete_beyond(command_id, 2, 2) == 0
    assert await left(database) == {run.id for run in [*runs[3:], *theirs, active]}
    # The active one counts, but is not to go.
    assert await retention.crowded(2) == [command_id]


async def test_the_oldest_go_until_so_many_bytes_are_gone(
    retention: RetentionRepository, database: Database, command_id: UUID
) -> None:
    sizes = (10, 0, 30, 20, 40)
    runs = [
        await add(database, command_id, *([b"x" * size] if size else []), ended_at=NOW + age)
        for age, size in zip(map(timedelta, range(5)), sizes, strict=True)
    ]
    await add(database, command_id, b"x" * 1000, ended_at=None)
    assert await retention.archived_bytes() == 100
    assert await retention.delete_oldest(11, 1) == (1, 10)
    # 1 byte too many is left: the run without output goes, and the next one with its 30.
    assert await retention.delete_oldest(1, 10) == (2, 30)
    assert await retention.archived_bytes() == 60
    assert await retention.delete_oldest(0, 10) == (0, 0)
    assert await left(database) >= {runs[3].id, runs[4].id}
    assert await retention.delete_oldest(1000, 10) == (2, 60)
    assert await retention.delete_oldest(1000, 10) == (0, 0)
    assert await retention.archived_bytes() == 0


async def test_the_output_of_deleted_runs_goes_a_few_chunks_at_a_time(
    retention: RetentionRepository, database: Database, command_id: UUID
) -> None:
    kept = await add(database, command_id, b"kept", b"too")
    deleted = [
        await add(database, command_id, *[b"x"] * pieces, ended_at=NOW - timedelta(days=1))
        for pieces in (0, 1, 7, 2)
    ]
    assert await retention.delete_ended_before(NOW, 10) == 4
    seen = [await count(database, CHUNKS)]
    while await retention.purge(4):
        seen.append(await count(database, CHUNKS))
    assert seen[:4] == [12, 8, 4, 2]
    assert await count(database, NOTED) == 0
    outputs = OutputRepository(database)
    assert [chunk.data for chunk in await outputs.chunks(kept.id, 0, 9)] == [b"kept", b"too"]
    for run in deleted:
        assert await outputs.chunks(run.id, 0, 9) == []


@pytest.mark.parametrize("table", ["commands", "commands_info"])
async def test_however_a_run_is_deleted_its_output_goes_too(
    retention: RetentionRepository,
    database: Database,
    database_url: str,
    command_id: UUID,
    table: str,
) -> None:
    for _ in range(3):
        await add(database, command_id, b"x")
    execute(database_url, f"DELETE FROM {table}")  # noqa: S608
    assert await count(database, NOTED) == 3
    while await retention.purge(10):
        pass
    assert (await count(database, CHUNKS), await count(database, NOTED)) == (0, 0)


async def test_two_servers_may_remove_at_once(
    retention: RetentionRepository, database: Database, database_url: str, command_id: UUID
) -> None:
    for _ in range(4):
        await add(database, command_id, ended_at=NOW - timedelta(days=1))
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(
            "DELETE FROM commands_info WHERE id IN (SELECT id FROM commands_info LIMIT 2)"
        )
        assert await retention.delete_ended_before(NOW, 10) == 2
        other.commit()
    assert await left(database) == set()


def chunk_tables(tables: list[Table]) -> list[Table]:
    return [table for table in tables if "output" in table.name]


async def sizes(retention: RetentionRepository) -> tuple[int, int]:
    """Return what the output takes of the disk, and what of that is in use as estimated."""
    spaces = [await retention.space(table) for table in chunk_tables([*await retention.tables()])]
    return sum(space.total_bytes for space in spaces), sum(space.used_bytes for space in spaces)


async def test_space_comes_back_when_a_table_is_written_anew(
    retention: RetentionRepository, database: Database, command_id: UUID
) -> None:
    chance = random.Random(1)
    runs = [
        await add(
            database,
            command_id,
            *(chance.randbytes(100_000) for _ in range(4)),
            ended_at=NOW + timedelta(seconds=number),
        )
        for number in range(40)
    ]
    total, used = await sizes(retention)
    assert total >= used >= 16_000_000
    assert total - used < 3_000_000
    assert await retention.delete_ended_before(NOW + timedelta(seconds=36), 100) == 36
    while await retention.purge(16):
        pass
    emptied, used = await sizes(retention)
    assert emptied == total
    assert 1_600_000 <= used < 2_000_000
    for table in await retention.tables():
        space = await retention.space(table)
        assert await retention.rewrite(table) <= space.total_bytes
    written_anew, used = await sizes(retention)
    assert written_anew < used + 32 * 65536
    outputs = OutputRepository(database)
    for run in runs[36:]:
        assert len(await outputs.chunks(run.id, 0, 9)) == 4


async def test_how_much_of_the_runs_is_in_use_is_estimated(
    retention: RetentionRepository, database_url: str, command_id: UUID
) -> None:
    [table] = [table for table in await retention.tables() if table.name == "commands_info"]
    execute(
        database_url,
        "INSERT INTO commands_info (commands_id, script, host, state, end_time, output)"  # noqa: S608
        f" SELECT '{command_id}', 'true', 'here', 'lost', now(), CASE WHEN n % 2 = 0 THEN 'x' ELSE"
        " (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 500) m) END"
        " FROM generate_series(1, 5000) n",
    )
    full = await retention.space(table)
    assert full.used_bytes / full.total_bytes == pytest.approx(1, abs=0.4)
    execute(database_url, "DELETE FROM commands_info WHERE random() < 0.9")
    emptied = await retention.space(table)
    assert emptied.total_bytes == full.total_bytes
    assert emptied.used_bytes / full.used_bytes == pytest.approx(0.1, abs=0.05)
    written_anew = await retention.rewrite(table)
    assert written_anew < 0.2 * full.total_bytes


async def test_a_table_that_is_in_use_is_not_waited_for(
    retention: RetentionRepository, database: Database, database_url: str
) -> None:
    [table, *_] = chunk_tables([*await retention.tables()])
    with closing(psycopg2.connect(database_url)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM commands_info_output")
        with pytest.raises(DatabaseUnavailableError, match="lock timeout"):
            await retention.rewrite(table)
    assert await retention.rewrite(table) > 0
    assert await database.fetch_one("SHOW lock_timeout") == ("0",)
