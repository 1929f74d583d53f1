"""Rows as the domain's values, and the columns they are read from."""

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING
from uuid import UUID

from server.definition import NO_OPTIONS, Cause, Options, Pause, values_of
from server.models import Chunk, Command, Position, Run, RunEnd, RunState
from server.repositories.database.types import Row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LISTED_BYTES = 4096
"""Of a text in a list, at most: a page of whole scripts could be hundreds of megabytes."""


def _columns(kind: "type[DataclassInstance]", table: str, **other: str) -> str:
    """Return the columns of a dataclass's fields, in order; `other` has expressions for some."""
    names = [entry.name for entry in fields(kind)]
    return ", ".join(other.get(name, f"{table}.{name}") for name in names)


def _short(column: str) -> str:
    """Return a column of JSON, NULL where it is longer than LISTED_BYTES."""
    return f"CASE WHEN octet_length({column}::text) <= {LISTED_BYTES} THEN {column} END"


def _is_long(column: str) -> str:
    return f"coalesce(octet_length({column}::text) > {LISTED_BYTES}, false)"


COMMAND_COLUMNS = _columns(
    Command,
    "c",
    group="c.group_name",
    description_truncated="false",
    script_truncated="false",
    options_truncated="false",
)
COMMAND_WIDTH = len(fields(Command))

LISTED_COMMAND_COLUMNS = _columns(
    Command,
    "c",
    group="c.group_name",
    description=f"left(c.description, {LISTED_BYTES})",
    script=f"left(c.script, {LISTED_BYTES})",
    description_truncated=f"coalesce(octet_length(c.description) > {LISTED_BYTES}, false)",
    script_truncated=f"octet_length(c.script) > {LISTED_BYTES}",
    options=_short("c.options"),
    options_truncated=_is_long("c.options"),
)

RUN_COLUMNS = _columns(
    Run,
    "r",
    command_id="r.commands_id",
    parameters_truncated="false",
)

LISTED_RUN_COLUMNS = _columns(
    Run,
    "r",
    command_id="r.commands_id",
    script="''",
    options="CASE WHEN r.end_time IS NULL AND r.options ? 'concurrency'"
    " THEN jsonb_build_object('concurrency', r.options -> 'concurrency') END",
    parameters=_short("r.parameters"),
    parameters_truncated=_is_long("r.parameters"),
)
"""Without script and options, which no list shows, and of which a page may have hundreds; but
whether an active one may wait for its turn."""

LAST_RUN = """
    LEFT JOIN LATERAL (
        SELECT * FROM commands_info r WHERE r.commands_id = c.id
        ORDER BY r.created_at DESC, r.id DESC LIMIT 1
    ) r ON true
"""
"""Joins a command `c` with its newest run `r`, which may be missing."""

CHUNK_COLUMNS = _columns(Chunk, "commands_info_output")
CHUNK_COLUMNS_WITHOUT_DATA = _columns(Chunk, "commands_info_output", data="''::bytea")

POSITION_COLUMNS = f"r.id, {_columns(Position, 'r', given_up='r.given_up_at IS NOT NULL')}"

END_FIELDS = tuple(entry.name for entry in fields(RunEnd))
"""The columns of a run's end; `end_parameters` has a value for each."""

KEPT_SECRETS = (
    "CASE WHEN options ? 'retries' OR options ->> 'on_unreachable' = 'retry' THEN secrets END"
)
"""What is left of a run's secrets at its end: nothing, unless it may be tried again."""

END_ASSIGNMENTS = ", ".join(
    [*(f"{name} = %({name})s" for name in END_FIELDS), f"secrets = {KEPT_SECRETS}"]
)

_RUN_FIELDS = [entry.name for entry in fields(Run)]
_COMMAND_FIELDS = [entry.name for entry in fields(Command)]
_OPTIONS, _PAUSED = _COMMAND_FIELDS.index("options"), _COMMAND_FIELDS.index("paused")


def command_of(row: Row) -> Command:
    """Return the command in a row of COMMAND_COLUMNS."""
    values = [*row]
    values[_OPTIONS] = Options.of(values[_OPTIONS])
    values[_PAUSED] = Pause.of(values[_PAUSED])
    return Command(*values)


def listed_command_of(row: Row) -> Command:
    """Return the command in a row of LISTED_COMMAND_COLUMNS, its texts of LISTED_BYTES at most."""
    command = command_of(row)
    description = None if command.description is None else _cut(command.description)
    return replace(command, description=description, script=_cut(command.script))


def cut_texts(command: Command) -> Command:
    """Return a command as a list has it, its texts of LISTED_BYTES at most."""
    description, script = command.description, command.script
    options_are_long = command.options is not NO_OPTIONS and _json_is_long(
        command.options.as_json()
    )
    return replace(
        command,
        description=None if description is None else _cut(description),
        description_truncated=len((description or "").encode()) > LISTED_BYTES,
        script=_cut(script),
        script_truncated=len(script.encode()) > LISTED_BYTES,
        options=NO_OPTIONS if options_are_long else command.options,
        options_truncated=options_are_long,
    )


def cut_run(run: Run) -> Run:
    """Return a run as a list has it, without script, options, and values that are long."""
    are_long = _json_is_long(run.parameters)
    return replace(
        run,
        script="",
        options=NO_OPTIONS,
        parameters={} if are_long else run.parameters,
        parameters_truncated=run.parameters_truncated or are_long,
    )


def _json_is_long(value: object) -> bool:
    return bool(value) and len(json.dumps(value, ensure_ascii=False).encode()) > LISTED_BYTES


def _cut(text: str) -> str:
    """Cut a text to LISTED_BYTES in UTF-8, between characters."""
    return text.encode()[:LISTED_BYTES].decode(errors="ignore")


def run_of(row: Row) -> Run:
    """Return the run in a row of RUN_COLUMNS; a length below 0, which somebody wrote, is none."""
    values = dict(zip(_RUN_FIELDS, row, strict=True))
    lengths = {name: max(values[name], 0) for name in ("output_bytes", "output_lines")}
    read = {
        "state": RunState.of(values["state"]),
        "options": Options.of(values["options"]),
        "parameters": values_of(values["parameters"]),
        "cause": Cause.of(values["cause"]),
        "attempt": values["attempt"] or 1,
        "requires": tuple(values["requires"] or ()),
    }
    return Run(**values | lengths | read)


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
    chunk = Chunk(*row)
    return replace(chunk, data=bytes(chunk.data), marks=bytes(chunk.marks or b""))


def position_of(row: Row) -> tuple[UUID, Position]:
    """Return the run's id and the position in a row of POSITION_COLUMNS."""
    position = Position(*row[1:])
    return row[0], replace(position, state=RunState.of(position.state))


def end_parameters(end: RunEnd | None) -> dict[str, object]:
    """Return the parameters that store a run's end; without one, all are None."""
    if end is None:
        return dict.fromkeys(END_FIELDS)
    reason = None if end.reason is None else sanitize(end.reason)
    return {**{name: getattr(end, name) for name in END_FIELDS}, "reason": reason}


def sanitize(text: str) -> str:
    """Return text with what PostgreSQL's TEXT cannot hold replaced: NUL and lone surrogates."""
    return (
        text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
