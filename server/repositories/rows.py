"""Rows as the domain's values, and the columns they are read from."""

from uuid import UUID

from server.models import Chunk, Command, Position, Run, RunState
from server.repositories.connections import Row

COMMAND_COLUMNS = "c.id, c.name, c.description, c.script, c.created_at, c.updated_at"
COMMAND_WIDTH = 6

RUN_COLUMNS = (
    "r.id, r.commands_id, r.state, r.created_at, r.start_time, r.end_time, r.exitcode, r.signal,"
    " r.reason, r.script, r.output_bytes, r.output_lines, r.epoch, r.host"
)

CHUNK_COLUMNS = "byte_offset, byte_count, first_line, line_count, written_at, data"

POSITION_COLUMNS = "r.id, r.epoch, r.output_bytes, r.output_lines, r.state"


def command_of(row: Row) -> Command:
    """Return the command in a row of COMMAND_COLUMNS."""
    return Command(*row)


def run_of(row: Row) -> Run:
    """Return the run in a row of RUN_COLUMNS."""
    run_id, command_id, state, *rest = row
    return Run(run_id, command_id, RunState(state), *rest)


def command_and_run_of(row: Row) -> tuple[Command, Run | None]:
    """Return what a row of COMMAND_COLUMNS and RUN_COLUMNS holds; the run may be missing."""
    command, run = row[:COMMAND_WIDTH], row[COMMAND_WIDTH:]
    return command_of(command), None if run[0] is None else run_of(run)


def chunk_of(row: Row) -> Chunk:
    """Return the chunk in a row of CHUNK_COLUMNS."""
    byte_offset, byte_count, first_line, line_count, written_at, data = row
    return Chunk(byte_offset, byte_count, first_line, line_count, written_at, bytes(data))


def position_of(row: Row) -> tuple[UUID, Position]:
    """Return the run's id and the position in a row of POSITION_COLUMNS."""
    run_id, epoch, output_bytes, output_lines, state = row
    return run_id, Position(epoch, output_bytes, output_lines, RunState(state))


def storable(text: str) -> str:
    """Return text with what PostgreSQL's TEXT cannot hold replaced: NUL and lone surrogates."""
    return (
        text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
