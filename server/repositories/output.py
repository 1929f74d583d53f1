"""The archive: runs' output as rows of compressed chunks."""

# ruff: noqa: S608  what is put into the SQL are lists of columns, constants of this layer

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from uuid import UUID

import orjson

from server.errors import DatabaseRefusedError, RunNotFoundError
from server.models import Advance, Chunk, Position
from server.repositories.database.database import Database
from server.repositories.rows import (
    CHUNK_COLUMNS,
    CHUNK_COLUMNS_WITHOUT_DATA,
    END_FIELDS,
    KEPT_SECRETS,
    POSITION_COLUMNS,
    chunk_of,
    end_parameters,
    position_of,
    sanitize,
)

END_TYPES = {
    "state": "text",
    "end_time": "timestamptz",
    "exitcode": "int",
    "signal": "text",
    "reason": "text",
}
END_RECORD = ", ".join(f"{name} {END_TYPES[name]}" for name in END_FIELDS)
END_MOVES = ", ".join(
    f"{name} = CASE WHEN a.late THEN r.{name} ELSE a.{name} END"
    for name in END_FIELDS
    if name != "state"
)

BYTES = ("data", "marks")
ADVANCE_FIELDS = ("run_id", "epoch", "from_offset", "to_offset", "to_lines", "start_time", "late")
CHUNK_FIELDS = tuple(entry.name for entry in fields(Chunk) if entry.name not in BYTES)

MAX_PREVIEW_CHARACTERS = 16 * 1024 * 1024
"""Of the start of an output, as text, whatever a worker says; settings let it be no more."""

# Compare and append. `in_time` fails where the server takes this up too late. `held` locks the
# rows in the order of their ids, so that two servers never deadlock. `moved` compares; where
# another transaction changed a row after this statement began, it compares again with what that
# one left (EvalPlanQual: src/backend/executor/README). A column that stays as it is is not
# written anew, so a run whose preview is full costs little.
APPEND = f"""
    WITH in_time AS MATERIALIZED (
        SELECT commands_check_deadline(%(deadline)s)
    ), advance AS (
        SELECT a.* FROM in_time, json_to_recordset(%(advances)s::json) AS a (
            run_id uuid, epoch int, from_offset bigint, to_offset bigint, to_lines bigint,
            preview text, start_time timestamptz, late boolean, host text, {END_RECORD}
        )
    ), held AS (
        SELECT r.id FROM commands_info r JOIN advance a ON r.id = a.run_id
        ORDER BY r.id FOR UPDATE OF r
    ), moved AS (
        UPDATE commands_info r SET
            output_bytes = a.to_offset,
            output_lines = a.to_lines,
            output = CASE WHEN a.preview = '' THEN r.output
                ELSE left(r.output || a.preview, {MAX_PREVIEW_CHARACTERS}) END,
            start_time = coalesce(a.start_time, r.start_time),
            state = coalesce(
                a.state, CASE WHEN a.start_time IS NULL THEN r.state ELSE 'running' END
            ),
            {END_MOVES},
            secrets = CASE WHEN a.state IS NULL THEN secrets ELSE {KEPT_SECRETS} END
        FROM held JOIN advance a ON a.run_id = held.id
        WHERE r.id = held.id AND r.epoch = a.epoch AND r.output_bytes = a.from_offset
            AND CASE WHEN a.late THEN r.given_up_at IS NOT NULL
                ELSE r.state IN ('queued', 'running') END
            AND (a.host IS NULL OR r.host = a.host)
        RETURNING r.id
    ), chunk AS (
        SELECT * FROM ROWS FROM (
            json_to_recordset(%(chunks)s::json) AS (
                run_id uuid, byte_offset bigint, byte_count int, first_line bigint,
                line_count int, written_at timestamptz
            ),
            unnest(%(data)s::bytea[]),
            unnest(%(marks)s::bytea[])
        )
    ), stored AS (
        INSERT INTO commands_info_output (
            commands_info_id, byte_offset, byte_count, first_line, line_count, written_at, data,
            marks
        )
        SELECT chunk.* FROM moved JOIN chunk ON chunk.run_id = moved.id
    )
    SELECT id FROM moved
"""

POSITIONS = f"SELECT {POSITION_COLUMNS} FROM commands_info r WHERE r.id = ANY(%(ids)s::uuid[])"
POSITIONS_OF_HOST = f"{POSITIONS} AND r.host = %(host)s"

CHUNKS = f"""
    SELECT {CHUNK_COLUMNS} FROM commands_info_output
    WHERE commands_info_id = %(run_id)s AND byte_offset >= (
        SELECT max(byte_offset) FROM commands_info_output
        WHERE commands_info_id = %(run_id)s AND byte_offset <= %(from_offset)s
    ) AND byte_offset + byte_count > %(from_offset)s
    ORDER BY byte_offset LIMIT %(limit)s
"""

MARKS = f"""
    SELECT {CHUNK_COLUMNS_WITHOUT_DATA} FROM commands_info_output
    WHERE commands_info_id = %(run_id)s AND byte_offset >= coalesce((
        SELECT max(byte_offset) FROM commands_info_output
        WHERE commands_info_id = %(run_id)s AND byte_offset <= %(from_offset)s
    ), 0) AND byte_offset < greatest(%(to_offset)s, %(from_offset)s + 1)
    ORDER BY byte_offset LIMIT %(limit)s
"""

CHUNK_OF_NEWLINE = f"""
    SELECT {CHUNK_COLUMNS} FROM commands_info_output
    WHERE commands_info_id = %(run_id)s AND first_line + line_count > %(newline)s
    ORDER BY first_line + line_count, byte_offset LIMIT 1
"""

STORED = "SELECT FROM commands_info WHERE id = %(run_id)s"

TIMES = """
    SELECT byte_offset, written_at FROM commands_info_output
    WHERE commands_info_id = %(run_id)s AND byte_offset >= %(from_offset)s
    ORDER BY byte_offset LIMIT %(limit)s
"""


class OutputRepository:
    """The table `commands_info_output`, and the offsets in `commands_info` that lead it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.timeout_seconds = database.statement_timeout_seconds

    async def append(
        self, advances: Sequence[Advance], *, hosts: Mapping[UUID, str] | None = None
    ) -> set[UUID]:
        """Move runs on by compare and append; return those that moved.

        All of it is one statement. A run moves only if it is active, or for a late advance was
        given up, and stands at its advance's epoch and offset; then its chunks, its preview and its
        end are stored with the move, else nothing of it. A batch may hold one advance of a run, and
        is sent as one message: bound it (4 MiB of output are well). With `hosts`, by runs, it moves
        only if it is its host's: who asks for others is not believed.

        Raises:
            DatabaseRefusedError: nothing was done, mostly for what one of the rows holds.
        """
        if not advances:
            return set()
        chunks = [(advance.run_id, chunk) for advance in advances for chunk in advance.chunks]
        try:
            parameters = {
                "advances": _json(
                    {
                        **{name: getattr(advance, name) for name in ADVANCE_FIELDS},
                        "preview": sanitize(advance.preview),
                        "host": None if hosts is None else hosts[advance.run_id],
                        **end_parameters(advance.end),
                    }
                    for advance in advances
                ),
                "chunks": _json(
                    {"run_id": run_id, **{name: getattr(chunk, name) for name in CHUNK_FIELDS}}
                    for run_id, chunk in chunks
                ),
                "data": [chunk.data for _, chunk in chunks],
                "marks": [chunk.marks for _, chunk in chunks],
            }
        except (TypeError, ValueError) as error:  # of one row alone: it is found by halving
            raise DatabaseRefusedError(f"It cannot be written as a row: {error}") from error
        return {run_id for (run_id,) in await self._database.fetch_binary(APPEND, parameters)}

    async def positions(
        self, run_ids: Iterable[UUID], *, host: str | None = None
    ) -> dict[UUID, Position]:
        """Return where runs' archives stand; unknown runs are left out, or all but a host's."""
        ids = list(run_ids)
        if not ids:
            return {}
        sql = POSITIONS if host is None else POSITIONS_OF_HOST
        rows = await self._database.fetch_all(sql, {"ids": ids, "host": host})
        return dict(map(position_of, rows))

    async def chunks(self, run_id: UUID, from_offset: int, limit: int) -> list[Chunk]:
        """Return up to `limit` chunks in order; the first one contains `from_offset`."""
        parameters = {"run_id": run_id, "from_offset": from_offset, "limit": limit}
        return [chunk_of(row) for row in await self._database.fetch_binary(CHUNKS, parameters)]

    async def times(
        self, run_id: UUID, from_offset: int = 0, limit: int | None = None
    ) -> list[tuple[int, float]]:
        """Return when what is archived was first seen: offsets and Unix seconds, ascending.

        From an offset on, and `limit` of them at most.
        """
        parameters = {"run_id": run_id, "from_offset": from_offset, "limit": limit}
        rows = await self._database.fetch_all(TIMES, parameters)
        return [(offset, written_at.timestamp()) for offset, written_at in rows]

    async def marks(self, run_id: UUID, start: int, end: int, limit: int) -> list[Chunk]:
        """Return up to `limit` chunks, without their data, from the one with `start` to `end`."""
        parameters = {"run_id": run_id, "from_offset": start, "to_offset": end, "limit": limit}
        return [chunk_of(row) for row in await self._database.fetch_all(MARKS, parameters)]

    async def check_stored(self, run_id: UUID) -> None:
        """Check that a run is stored, and not about to be purged.

        Raises:
            RunNotFoundError: it was deleted.
        """
        if await self._database.fetch_one(STORED, {"run_id": run_id}) is None:
            raise RunNotFoundError("The run was deleted while its output was read.")

    async def chunk_of_newline(self, run_id: UUID, newline: int) -> Chunk | None:
        """Return the chunk that holds a run's newline of this number (from 1), if there is one."""
        row = await self._database.fetch_one(
            CHUNK_OF_NEWLINE, {"run_id": run_id, "newline": newline}
        )
        return None if row is None else chunk_of(row)


def _json(rows: Iterable[dict[str, object]]) -> str:
    return orjson.dumps([*rows]).decode()
