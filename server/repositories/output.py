"""The archive: runs' output as rows of compressed chunks."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

import gc
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from typing import Self
from uuid import UUID

from server.models import Advance, Chunk, Position
from server.repositories.database import Database, Prepared
from server.repositories.rows import (
    CHUNK_COLUMNS,
    POSITION_COLUMNS,
    chunk_of,
    position_of,
    storable,
)

LARGE_BYTES = 256 * 1024
"""Stored by one statement, from which on its text is not left to the garbage collector's leisure:
aiopg's cursor and transaction are a cycle, and each keeps its statement's text (measured: 263 MB
at the peak of 600 MB of output, 94 MB with this)."""

COLUMNS = {
    "run_id": "uuid[]",
    "epoch": "int[]",
    "from_offset": "bigint[]",
    "to_offset": "bigint[]",
    "to_lines": "bigint[]",
    "preview": "text[]",
    "start_time": "timestamptz[]",
    "state": "text[]",
    "end_time": "timestamptz[]",
    "exitcode": "int[]",
    "signal": "text[]",
    "reason": "text[]",
    "chunk_run_id": "uuid[]",
    "byte_offset": "bigint[]",
    "byte_count": "int[]",
    "first_line": "bigint[]",
    "line_count": "int[]",
    "written_at": "timestamptz[]",
    "data": "bytea[]",
}
"""What `APPEND` takes, in the order of its $1 to $19: columns of runs, then of chunks."""

# Compare and append. `held` locks the rows in the order of their ids, so that two servers never
# deadlock. `moved` compares; where another transaction changed a row after this statement began,
# it compares again with what that one left (EvalPlanQual: src/backend/executor/README).
# A column that stays as it is is not written anew, so a run whose preview is full costs little.
# It is prepared, as planning it takes longer than doing it for a few small runs.
APPEND = Prepared(
    "append",
    COLUMNS,
    """
    WITH advance AS (
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS a (
            run_id, epoch, from_offset, to_offset, to_lines, preview,
            start_time, state, end_time, exitcode, signal, reason
        )
    ), held AS (
        SELECT r.id FROM commands_info r JOIN advance a ON r.id = a.run_id
        ORDER BY r.id FOR UPDATE OF r
    ), moved AS (
        UPDATE commands_info r SET
            output_bytes = a.to_offset,
            output_lines = a.to_lines,
            output = CASE WHEN a.preview = '' THEN r.output ELSE r.output || a.preview END,
            start_time = coalesce(a.start_time, r.start_time),
            state = coalesce(
                a.state, CASE WHEN a.start_time IS NULL THEN r.state ELSE 'running' END
            ),
            end_time = a.end_time, exitcode = a.exitcode, signal = a.signal, reason = a.reason
        FROM held JOIN advance a ON a.run_id = held.id
        WHERE r.id = held.id AND r.epoch = a.epoch AND r.output_bytes = a.from_offset
            AND r.state IN ('queued', 'running')
        RETURNING r.id
    ), stored AS (
        INSERT INTO commands_info_output (
            commands_info_id, byte_offset, byte_count, first_line, line_count, written_at, data
        )
        SELECT c.* FROM moved JOIN unnest($13, $14, $15, $16, $17, $18, $19) AS c (
            run_id, byte_offset, byte_count, first_line, line_count, written_at, data
        ) ON c.run_id = moved.id
    )
    SELECT id FROM moved
""",
)

POSITIONS = f"SELECT {POSITION_COLUMNS} FROM commands_info r WHERE r.id = ANY(%(ids)s::uuid[])"

CHUNKS = f"""
    SELECT {CHUNK_COLUMNS} FROM commands_info_output
    WHERE commands_info_id = %(run_id)s AND byte_offset >= (
        SELECT max(byte_offset) FROM commands_info_output
        WHERE commands_info_id = %(run_id)s AND byte_offset <= %(from_offset)s
    ) AND byte_offset + byte_count > %(from_offset)s
    ORDER BY byte_offset LIMIT %(limit)s
"""

CHUNK_OF_NEWLINE = f"""
    SELECT {CHUNK_COLUMNS} FROM commands_info_output
    WHERE commands_info_id = %(run_id)s AND first_line + line_count > %(newline)s
    ORDER BY first_line + line_count, byte_offset LIMIT 1
"""

TIMES = """
    SELECT byte_offset, written_at FROM commands_info_output
    WHERE commands_info_id = %(run_id)s ORDER BY byte_offset
"""


class _Base64:
    """Bytes as psycopg2 is to write them into a statement: in 4 characters for 3 bytes.

    Its own `Binary` takes 2 for one, and PostgreSQL's parser looks at each: most of what storing
    a chunk costs (measured: 3 to 13 % more output a second is archived by this).
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __conform__(self, _protocol: object) -> Self:
        return self

    def getquoted(self) -> bytes:
        return b"decode('" + b2a_base64(self._data, newline=False) + b"', 'base64')"


class OutputRepository:
    """The table `commands_info_output`, and the offsets in `commands_info` that lead it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, advances: Sequence[Advance]) -> set[UUID]:
        """Move runs on by compare and append; return those that moved.

        All of it is one statement. A run moves only if it is active and stands at its
        advance's epoch and offset; then its chunks, its preview and its end are stored with the
        move, else nothing of it. A batch may hold one advance of a run, and is sent as one
        message: bound it (4 MiB of output are well).
        """
        if not advances:
            return set()
        parameters = {**_columns_of_runs(advances), **_columns_of_chunks(advances)}
        moved = {run_id for (run_id,) in await self._database.fetch_prepared(APPEND, parameters)}
        if sum(len(chunk.data) for advance in advances for chunk in advance.chunks) > LARGE_BYTES:
            gc.collect(1)
        return moved

    async def positions(self, run_ids: Iterable[UUID]) -> dict[UUID, Position]:
        """Return where runs' archives stand; unknown runs are left out."""
        ids = list(run_ids)
        if not ids:
            return {}
        return dict(map(position_of, await self._database.fetch_all(POSITIONS, {"ids": ids})))

    async def chunks(self, run_id: UUID, from_offset: int, limit: int) -> list[Chunk]:
        """Return up to `limit` chunks in order; the first one contains `from_offset`."""
        parameters = {"run_id": run_id, "from_offset": from_offset, "limit": limit}
        return [chunk_of(row) for row in await self._database.fetch_all(CHUNKS, parameters)]

    async def times(self, run_id: UUID) -> list[tuple[int, float]]:
        """Return when what is archived was first seen: offsets and Unix seconds, ascending."""
        rows = await self._database.fetch_all(TIMES, {"run_id": run_id})
        return [(offset, written_at.timestamp()) for offset, written_at in rows]

    async def chunk_of_newline(self, run_id: UUID, newline: int) -> Chunk | None:
        """Return the chunk that holds a run's newline of this number (from 1), if there is one."""
        row = await self._database.fetch_one(
            CHUNK_OF_NEWLINE, {"run_id": run_id, "newline": newline}
        )
        return None if row is None else chunk_of(row)


def _columns_of_runs(advances: Sequence[Advance]) -> dict[str, object]:
    ends = [advance.end for advance in advances]
    return {
        "run_id": [advance.run_id for advance in advances],
        "epoch": [advance.epoch for advance in advances],
        "from_offset": [advance.from_offset for advance in advances],
        "to_offset": [advance.to_offset for advance in advances],
        "to_lines": [advance.to_lines for advance in advances],
        "preview": [storable(advance.preview) for advance in advances],
        "start_time": [advance.start_time for advance in advances],
        "state": [end and end.state for end in ends],
        "end_time": [end and end.end_time for end in ends],
        "exitcode": [end and end.exitcode for end in ends],
        "signal": [end and end.signal for end in ends],
        "reason": [end and end.reason and storable(end.reason) for end in ends],
    }


def _columns_of_chunks(advances: Sequence[Advance]) -> dict[str, object]:
    chunks = [(advance.run_id, chunk) for advance in advances for chunk in advance.chunks]
    return {
        "chunk_run_id": [run_id for run_id, _ in chunks],
        "byte_offset": [chunk.byte_offset for _, chunk in chunks],
        "byte_count": [chunk.byte_count for _, chunk in chunks],
        "first_line": [chunk.first_line for _, chunk in chunks],
        "line_count": [chunk.line_count for _, chunk in chunks],
        "written_at": [chunk.written_at for _, chunk in chunks],
        "data": [_Base64(chunk.data) for _, chunk in chunks],
    }
