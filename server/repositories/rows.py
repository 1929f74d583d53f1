"""Rows as the domain's values, and the columns they are read from."""

from uuid import UUID

from server.models import Chunk, Command, Position, Run, RunState
from server.repositories.connections import Row

COMMAND_COLUMNS = "c.id, c.name, c.description, c.script, c.created_at, c.updated_at, false, false"
COMMAND_WIDTH = 8

LISTED_BYTES = 4096
"""What a list holds of a text at most: a page of whole scripts would be hundreds of megabytes."""

LISTED_COMMAND_COLUMNS = (
    f"c.id, c.name, left(c.description, {LISTED_BYTES}), left(c.script, {LISTED_BYTES}),"
    f" c.created_at, c.updated_at, coalesce(octet_length(c.description) > {LISTED_BYTES}, false),"
    f" octet_length(c.script) > {LISTED_BYTES}"
)

RUN_COLUMNS = (
    "r.id, r.commands_id, r.state, r.created_at, r.start_time, r.end_time, r.exitcode, r.signal,"
    " r.reason, r.script, r.output_bytes, r.output_lines, r.epoch, r.host"
)

LISTED_RUN_COLUMNS = RUN_COLUMNS.replace("r.script", "''")
"""Of a listed run nobody reads the script, and there may be hundreds."""

CHUNK_COLUMNS = "byte_offset, byte_count, first_line, line_count, written_at, data"

POSITION_COLUMNS = "r.id, r.epoch, r.output_bytes, r.output_lines, r.state"


def command_of(row: Row) -> Command:
    """Return the command in a row of COMMAND_COLUMNS."""
    return Command(*row)


def listed_command_of(row: Row) -> Command:
    """Return the command in a row of LISTED_COMMAND_COLUMNS, its texts of LISTED_BYTES at most."""
    identifier, name, description, script, *rest = row
    cut = None if description is None else _cut(description)
    return Command(identifier, name, cut, _cut(script), *rest)


def _cut(text: str) -> str:
    """Cut a text to LISTED_BYTES in UTF-8, between characters."""
    return text.encode()[:LISTED_BYTES].decode(errors="ignore")


def run_of(row: Row) -> Run:
    """Return the run in a row of RUN_COLUMNS."""
    run_id, command_id, state, *rest = row
    return Run(run_id, command_id, RunState.of(state), *rest)


def command_and_run_of(row: Row) -> tuple[Command, Run | None]:
    """Return what a row of COMMAND_COLUMNS and RUN_COLUMNS holds; the run may be missing."""
    return command_of(row[:COMMAND_WIDTH]), _run_if_any(row[COMMAND_WIDTH:])


def listed_command_and_run_of(row: Row) -> tuple[Command, Run | None]:
    """Return what a row of LISTED_COMMAND_COLUMNS and LISTED_RUN_COLUMNS holds."""
    return listed_command_of(row[:COMMAND_WIDTH]), _run_if_any(row[COMMAND_WIDTH:])


def _run_if_any(row: Row) -> Run | None:
    return None if row[0] is None else run_of(row)


def chunk_of(row: Row) -> Chunk:
    """Return the chunk in a row of CHUNK_COLUMNS."""
    byte_offset, byte_count, first_line, line_count, written_at, data = row
    return Chunk(byte_offset, byte_count, first_line, line_count, written_at, bytes(data))


def position_of(row: Row) -> tuple[UUID, Position]:
    """Return the run's id and the position in a row of POSITION_COLUMNS."""
    run_id, epoch, output_bytes, output_lines, state = row
    return run_id, Position(epoch, output_bytes, output_lines, RunState.of(state))


def storable(text: str) -> str:
    """Return text with what PostgreSQL's TEXT cannot hold replaced: NUL and lone surrogates."""
    return (
        text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
