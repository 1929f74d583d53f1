"""Removing runs that are over, in small steps, and giving their space back.

A run disappears at once, its output after it, a few chunks a statement: a trigger notes the runs
that were deleted (`commands_info_deleted`), so nothing is forgotten, whoever deleted them.

PostgreSQL gives the space of deleted rows to new ones, but hardly ever to the system: VACUUM cuts
off the end of a table alone. Of 1,982 MB of output of which nine tenths were deleted, at random,
VACUUM left 1,982 MB. Only a table that is written anew gets small, and it is locked meanwhile. So
the output is in 32 partitions, by the run's id, of which each is written anew by itself, and only
when most of it is empty and what is left is little: then it takes a second or two at most. Every
run has its output in one partition, all of them grow and empty alike, and no statement needs to
know of them. That left 230 MB of 2,084.

Partitions by time, to be dropped when they are empty, would have to be made ahead and be chosen by
every statement, and they would not do: where a few runs outlive the others, as with
TAILRUN_RETENTION_RUNS_PER_COMMAND, each would still have to be written anew.
"""

# ruff: noqa: S608  what is put into the SQL are names of tables and constants of this layer

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from server.errors import DatabaseRefusedError
from server.repositories.database.database import Database
from server.repositories.database.halving import in_parts

logger = logging.getLogger(__name__)

LOCK_SECONDS = 0.2
"""For the lock on a table that is rewritten: all later statements on the table wait behind it."""

REWRITE_SECONDS = 60.0
"""For rewriting a table; it takes a second or two where the disk is not busy."""

SAMPLE_PAGES = 200
"""Pages of a table that are read to estimate how much of it is in use."""

# What ended first goes first. Both clocks must agree that it is old, the database's and ours: one
# of them may be set wrongly.
OLD = """
    end_time < least(%(moment)s, clock_timestamp() - (%(now)s - %(moment)s))
"""
ENDED_BEFORE = f"""
    SELECT id FROM commands_info WHERE {OLD} AND id <> ALL(%(refused)s::uuid[])
    ORDER BY end_time, id LIMIT %(limit)s
"""

COUNT_ENDED = f"""
    SELECT count(*), count(*) FILTER (WHERE {OLD})
    FROM commands_info WHERE end_time IS NOT NULL AND id <> ALL(%(refused)s::uuid[])
"""

# A row that another server is deleting is left to it.
DELETE = """
    WITH deleted AS (
        DELETE FROM commands_info WHERE id IN (
            SELECT id FROM commands_info WHERE id = ANY(%(ids)s::uuid[]) AND end_time IS NOT NULL
            ORDER BY id FOR UPDATE SKIP LOCKED
        ) RETURNING final_bytes
    )
    SELECT count(*), coalesce(sum(final_bytes), 0) FROM deleted
"""

ARCHIVED_BYTES = """
    SELECT coalesce(sum(final_bytes), 0) FROM commands_info WHERE end_time IS NOT NULL
"""

OLDEST = """
    SELECT id FROM (
        SELECT id, sum(final_bytes) OVER (ORDER BY end_time, id) - final_bytes AS bytes_before
        FROM (
            SELECT id, end_time, final_bytes FROM commands_info
            WHERE end_time IS NOT NULL AND id <> ALL(%(refused)s::uuid[])
            ORDER BY end_time, id LIMIT %(limit)s
        ) o
    ) b WHERE bytes_before < %(excess_bytes)s
"""

CROWDED = """
    SELECT commands_id FROM commands_info GROUP BY commands_id HAVING count(*) > %(keep)s
"""

BEYOND = """
    SELECT id FROM (
        SELECT id FROM commands_info WHERE commands_id = %(command_id)s AND end_time IS NOT NULL
        ORDER BY created_at DESC, id DESC OFFSET %(keep)s
    ) b WHERE id <> ALL(%(refused)s::uuid[]) LIMIT %(limit)s
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
CHUNK_BYTES = "200 + 1.04 * pg_column_size(data) + coalesce(pg_column_size(marks), 0)"
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
        self._refused: set[UUID] = set()
        self._reported: set[UUID] = set()

    async def archived_bytes(self) -> int:
        """Return the bytes of output of all runs that have ended."""
        [(count,)] = await self._database.fetch_all(ARCHIVED_BYTES)
        return int(count)

    async def crowded(self, keep: int) -> Sequence[UUID]:
        """Return the commands that have more than `keep` runs, active ones among them."""
        return [row[0] for row in await self._database.fetch_all(CROWDED, {"keep": keep})]

    async def count_ended(self, moment: datetime) -> tuple[int, int]:
        """Return how many runs have ended, and how many of them before a moment.

        Those that once could not be deleted do not count.
        """
        parameters = {**_both_clocks(moment), "refused": [*self._reported]}
        [(ended, old)] = await self._database.fetch_all(COUNT_ENDED, parameters)
        return int(ended), int(old)

    async def delete_ended_before(self, moment: datetime, limit: int) -> int:
        """Delete up to `limit` runs that ended before a moment, by the database's clock too.

        Returns how many.
        """
        count, _ = await self._delete(ENDED_BEFORE, {**_both_clocks(moment), "limit": limit})
        return count

    async def delete_beyond(self, command_id: UUID, keep: int, limit: int) -> int:
        """Delete up to `limit` runs of a command, all but the newest `keep` that have ended.

        Returns how many.
        """
        parameters = {"command_id": command_id, "keep": keep, "limit": limit}
        count, _ = await self._delete(BEYOND, parameters)
        return count

    async def delete_oldest(self, excess_bytes: int, limit: int) -> tuple[int, int]:
        """Delete up to `limit` runs that ended first, until `excess_bytes` of output are gone.

        Returns how many, and of how many bytes.
        """
        return await self._delete(OLDEST, {"excess_bytes": excess_bytes, "limit": limit})

    def try_refused_again(self) -> None:
        """Look again at the runs that could not be deleted, which are left out otherwise."""
        self._refused.clear()

    async def _delete(self, sql: str, parameters: Mapping[str, object]) -> tuple[int, int]:
        """Delete the runs that a statement finds; those that the database refuses stay.

        Returns how many were deleted, and of how many bytes.
        """
        found = await self._database.fetch_all(sql, {**parameters, "refused": [*self._refused]})

        async def delete(ids: Sequence[UUID]) -> tuple[int, int]:
            [(count, freed_bytes)] = await self._database.fetch_all(DELETE, {"ids": [*ids]})
            return int(count), int(freed_bytes)

        def refused(run_id: UUID, error: DatabaseRefusedError) -> None:
            self._refused.add(run_id)
            if run_id not in self._reported:
                self._reported.add(run_id)
                logger.warning(
                    "run not deleted, tried again with the next sweep: %s",
                    error,
                    extra={"run": run_id},
                )

        done = await in_parts([run_id for (run_id,) in found], delete, refused)
        return sum(count for count, _ in done), sum(freed_bytes for _, freed_bytes in done)

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


def _both_clocks(moment: datetime) -> dict[str, object]:
    return {"moment": moment, "now": datetime.now(UTC)}
