"""Removing runs that are over, in small steps, and giving their space back.

A run disappears at once, its output after it, a few chunks a statement: a trigger notes the runs
that were deleted (`commands_info_deleted`), so nothing is forgotten, whoever deleted them.

PostgreSQL gives the space of deleted rows to new ones, but hardly ever to the system: VACUUM cuts
off the end of a table alone. Of 1,982 MB of output of which nine tenths were deleted, at random,
VACUUM left 1,982 MB. Only a table that is written anew gets small, and it is locked meanwhile. So
the output is in 32 partitions, by the run's id, of which each is written anew by itself, and only
when most of it is empty and what is left is little: then it takes a second or two at most. Every
run has its output in one partition, all of them grow and empty alike, and no statement needs to
know of them. That left 230 MB of 2,084 (bench/results/space.md).

Partitions by time, to be dropped when they are empty, would have to be made ahead and be chosen by
every statement, and they would not do: where a few runs outlive the others, as with
TAILRUN_RETENTION_RUNS_PER_COMMAND, each would still have to be written anew.
"""

# ruff: noqa: S608  what is put into the SQL are names of tables and constants of this layer

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.repositories.database import Database

LOCK_SECONDS = 0.2
"""For the lock on a table that is written anew; who comes after it waits as well."""

REWRITE_SECONDS = 60.0

SAMPLE_PAGES = 200
"""Pages of a table that are read to estimate how much of it is in use."""

# What ended first goes first. A row that another server is deleting is left to it.
DELETE_ENDED_BEFORE = """
    WITH deleted AS (
        DELETE FROM commands_info WHERE id IN (
            SELECT id FROM commands_info WHERE end_time < %(moment)s
            ORDER BY end_time, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ) RETURNING 1
    )
    SELECT count(*) FROM deleted
"""

ARCHIVED_BYTES = """
    SELECT coalesce(sum(final_bytes), 0) FROM commands_info WHERE end_time IS NOT NULL
"""

DELETE_OLDEST = """
    WITH oldest AS (
        SELECT id, sum(final_bytes) OVER (ORDER BY end_time, id) - final_bytes AS bytes_before
        FROM (
            SELECT id, end_time, final_bytes FROM commands_info WHERE end_time IS NOT NULL
            ORDER BY end_time, id LIMIT %(limit)s
        ) o
    ), deleted AS (
        DELETE FROM commands_info
        WHERE id IN (SELECT id FROM oldest WHERE bytes_before < %(excess_bytes)s)
        RETURNING final_bytes
    )
    SELECT count(*), coalesce(sum(final_bytes), 0) FROM deleted
"""

CROWDED = """
    SELECT commands_id FROM commands_info GROUP BY commands_id HAVING count(*) > %(keep)s
"""

DELETE_BEYOND = """
    WITH deleted AS (
        DELETE FROM commands_info WHERE id IN (
            SELECT id FROM commands_info
            WHERE commands_id = %(command_id)s AND end_time IS NOT NULL
            ORDER BY created_at DESC, id DESC OFFSET %(keep)s LIMIT %(limit)s
        ) RETURNING 1
    )
    SELECT count(*) FROM deleted
"""

# A batch has at most `limit` chunks, of however many runs. Whatever the planner thinks of tables
# that change so, it is to find them by index.
PURGE = """
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
    SET LOCAL enable_seqscan = off;
    WITH noted AS MATERIALIZED (
        SELECT id FROM commands_info_deleted ORDER BY id LIMIT %(limit)s
    ), batch AS MATERIALIZED (
        SELECT n.id, o.byte_offset FROM noted n CROSS JOIN LATERAL (
            SELECT byte_offset FROM commands_info_output WHERE commands_info_id = n.id
            ORDER BY byte_offset LIMIT %(limit)s
        ) o LIMIT %(limit)s
    )
    DELETE FROM commands_info_output o USING batch b
    WHERE o.commands_info_id = b.id AND o.byte_offset = b.byte_offset;
    WITH noted AS MATERIALIZED (
        SELECT id FROM commands_info_deleted ORDER BY id LIMIT %(limit)s
    ), emptied AS (
        DELETE FROM commands_info_deleted d USING noted n WHERE d.id = n.id AND NOT EXISTS (
            SELECT FROM commands_info_output WHERE commands_info_id = n.id
        )
    )
    SELECT count(*) FROM noted
"""

RUNS = "commands_info"
TABLES = f"""
    SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text
    FROM pg_inherits p JOIN pg_index i ON i.indrelid = p.inhrelid AND i.indisprimary
    WHERE p.inhparent = 'commands_info_output'::regclass
    UNION ALL SELECT '{RUNS}', '{RUNS}_newest'
"""

# Of a sample of the table's pages.
SPACE = """
    SELECT pg_total_relation_size('{table}'),
        (SELECT coalesce(sum({row_bytes}), 0) FROM {table} TABLESAMPLE SYSTEM ({percent}))
            * 100 / {percent}
"""
PERCENT = f"""
    least(100, 100.0 * {SAMPLE_PAGES} * current_setting('block_size')::int
        / greatest(1, pg_relation_size('{{table}}')))
"""

# A row as it is stored, with its entries in the indexes. What is longer than 2,000 bytes is kept
# beside the table (TOAST), and beside a run's row there is room for another one (fillfactor).
CHUNK_BYTES = "200 + 1.04 * pg_column_size(data)"
TEXT_BYTES = "pg_column_size(output) + pg_column_size(script)"
RUN_BYTES = f"1000 + {TEXT_BYTES} + least({TEXT_BYTES}, 2000)"

REWRITE = f"""
    SET LOCAL lock_timeout = {int(LOCK_SECONDS * 1000)};
    SET LOCAL statement_timeout = {int(REWRITE_SECONDS * 1000)};
    CLUSTER {{table}} USING {{index}};
    SELECT pg_total_relation_size('{{table}}')
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with the index in whose order it is written anew."""

    name: str
    index: str


@dataclass(frozen=True, slots=True)
class Space:
    """What a table takes of the disk, and about how much of that is in use."""

    total_bytes: int
    used_bytes: int


class RetentionRepository:
    """Of all tables, what is old, what is empty, and how it is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def archived_bytes(self) -> int:
        """Return the bytes of output of all runs that have ended."""
        [(count,)] = await self._database.fetch_all(ARCHIVED_BYTES)
        return int(count)

    async def crowded(self, keep: int) -> Sequence[UUID]:
        """Return the commands that have more than `keep` runs, active ones among them."""
        return [row[0] for row in await self._database.fetch_all(CROWDED, {"keep": keep})]

    async def delete_ended_before(self, moment: datetime, limit: int) -> int:
        """Delete up to `limit` runs that ended before a moment; return how many."""
        parameters = {"moment": moment, "limit": limit}
        [(count,)] = await self._database.fetch_all(DELETE_ENDED_BEFORE, parameters)
        return int(count)

    async def delete_beyond(self, command_id: UUID, keep: int, limit: int) -> int:
        """Delete up to `limit` runs of a command, all but the newest `keep` that have ended.

        Returns how many.
        """
        parameters = {"command_id": command_id, "keep": keep, "limit": limit}
        [(count,)] = await self._database.fetch_all(DELETE_BEYOND, parameters)
        return int(count)

    async def delete_oldest(self, excess_bytes: int, limit: int) -> tuple[int, int]:
        """Delete up to `limit` runs that ended first, until `excess_bytes` of output are gone.

        Returns how many, and of how many bytes.
        """
        parameters = {"excess_bytes": excess_bytes, "limit": limit}
        [(count, freed_bytes)] = await self._database.fetch_all(DELETE_OLDEST, parameters)
        return int(count), int(freed_bytes)

    async def purge(self, limit: int) -> int:
        """Delete up to `limit` chunks of runs that were deleted.

        Returns 0 when there was nothing to do.
        """
        [(count,)] = await self._database.fetch_all(PURGE, {"limit": limit})
        return int(count)

    async def tables(self) -> Sequence[Table]:
        """Return the tables whose space is worth giving back."""
        return [Table(*row) for row in await self._database.fetch_all(TABLES)]

    async def space(self, table: Table) -> Space:
        """Estimate how much of a table is in use."""
        names = {
            "table": table.name,
            "percent": PERCENT.format(table=table.name),
            "row_bytes": RUN_BYTES if table.name == RUNS else CHUNK_BYTES,
        }
        [(total_bytes, used_bytes)] = await self._database.fetch_all(SPACE.format(**names))
        return Space(int(total_bytes), int(used_bytes))

    async def rewrite(self, table: Table) -> int:
        """Write a table anew, which gives its empty space back; return what it takes then.

        Raises:
            DatabaseUnavailableError: the table is in use; or as always.
        """
        names = {"table": table.name, "index": table.index}
        [(total_bytes,)] = await self._database.fetch_all(
            REWRITE.format(**names), timeout_seconds=REWRITE_SECONDS
        )
        return int(total_bytes)
