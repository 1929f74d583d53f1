"""All settings: one frozen dataclass, read once from the environment and the command line."""

import argparse
import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from server.errors import StartupError

PREFIX = "TAILRUN_"
RUN_VARIABLES = frozenset({"TAILRUN_RUN_ID", "TAILRUN_COMMAND_ID"})
"""Set for every run; not settings, yet present when a run starts a Tailrun of its own."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MAX_MEMORY_BYTES = 2**63 - 1

OutputPolicy = Literal["stop", "head_and_tail"]
Parser = Callable[[str], Any]


def _default_state_dir() -> Path:
    """Where state lives: /var/lib for root, else the XDG base directory specification's place."""
    if os.geteuid() == 0:
        return Path("/var/lib/tailrun")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tailrun"


def _whole(minimum: int, maximum: int | None = None) -> Parser:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum or (maximum is not None and value > maximum):
            limit = f"of {minimum} or more" if maximum is None else f"from {minimum} to {maximum}"
            raise ValueError(f"a whole number {limit}")
        return value

    return parse


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError("a number of seconds, 0 or more")
    return value


def _seconds_above_zero(text: str) -> float:
    try:
        value = _seconds(text)
    except ValueError:
        value = 0.0
    if value == 0:
        raise ValueError("a number of seconds above 0")
    return value


def _days(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError("a number of days, 0 or more")
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError("true or false")
    return text.lower() in {"true", "1"}


def _one_of(*choices: str) -> Parser:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def _absolute_path(text: str) -> Path:
    if not text:
        raise ValueError("a path")
    return Path(text).expanduser().absolute()


def _base_path(text: str) -> str:
    """Read the path that a proxy puts before ours: ours begin with / and follow it as they are."""
    if not re.fullmatch(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", text):
        raise ValueError("a path such as /tools/tailrun, without a / at its end, or nothing")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _text(text: str) -> str:
    if not text:
        raise ValueError("a text that is not empty")
    return text


def _setting(default: Any, parse: Parser, description: str) -> Any:
    metadata = {"parse": parse, "description": description}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The service's settings; each is the variable `TAILRUN_<NAME>` and the option `--<name>`."""

    host: str = _setting("127.0.0.1", _text, "address to listen on")
    port: int = _setting(8000, _whole(0, 65535), "port to listen on; 0 takes a free one")
    state_dir: Path = _setting(
        _default_state_dir,
        _absolute_path,
        "spools, lock, keeper's socket, embedded database",
    )
    database_url: str | None = _setting(
        None, _text, "PostgreSQL to use (postgresql://…); none: the embedded one in STATE_DIR"
    )
    on_shutdown: str = _setting(
        "leave", _one_of("leave", "stop"), "what becomes of running runs when the server ends"
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (), _names, "further host names, comma separated, that requests may be addressed to"
    )
    base_path: str = _setting(
        "", _base_path, "path that a proxy serves Tailrun under, such as /tools/tailrun"
    )
    insecure_no_auth: bool = _setting(
        False,  # noqa: FBT003
        _boolean,
        "listen on other than loopback addresses although anyone may run commands",
    )
    shell: str = _setting("/bin/sh", _text, "what runs scripts that have no #! line")
    working_directory: Path = _setting(Path.home, _absolute_path, "where scripts start")
    pass_environment: tuple[str, ...] = _setting(
        (), _names, "names, comma separated, of the server's variables that scripts get too"
    )
    max_concurrent_runs: int = _setting(100, _whole(1), "runs at a time; further ones are queued")
    max_active_runs_per_command: int = _setting(
        100, _whole(1), "queued and running runs of one command"
    )
    max_output_bytes: int = _setting(
        10 * GIB, _whole(1), "output of one run; what happens beyond it TAILRUN_OUTPUT_POLICY tells"
    )
    output_policy: OutputPolicy = _setting(
        "stop",
        _one_of("stop", "head_and_tail"),
        "a run that reaches its bound of output is stopped, or goes on, with its middle left out",
    )
    output_tail_bytes: int = _setting(
        1 * MIB, _whole(4 * KIB), "of TAILRUN_MAX_OUTPUT_BYTES, what head_and_tail keeps of the end"
    )
    max_open_files: int = _setting(
        0, _whole(0), "descriptors of each process of a run; 0: no bound"
    )
    max_processes: int = _setting(
        0, _whole(0), "processes of the runs' user together; 0: no bound; does not bind root"
    )
    max_run_memory_bytes: int = _setting(
        0,
        _whole(0, MAX_MEMORY_BYTES),
        "memory of all processes of one run together, by a cgroup; 0: no bound",
    )
    min_free_bytes: int = _setting(
        512 * MIB, _whole(0), "free disk under the spool; below it runs that write are stopped"
    )
    run_timeout_seconds: float = _setting(0.0, _seconds, "wall time of a run; 0: no bound")
    stop_grace_seconds: float = _setting(10.0, _seconds, "from SIGTERM to SIGKILL")
    max_body_bytes: int = _setting(1 * MIB, _whole(1), "request body")
    max_viewers: int = _setting(2000, _whole(1), "viewers in all")
    max_viewers_per_run: int = _setting(1000, _whole(1), "viewers of one run")
    max_connections: int = _setting(4000, _whole(1), "connections of clients, viewers among them")
    viewer_stall_seconds: float = _setting(
        15.0, _seconds_above_zero, "a viewer that takes nothing for so long is dropped"
    )
    ping_seconds: float = _setting(20.0, _seconds_above_zero, "between pings to a WebSocket viewer")
    info_output_bytes: int = _setting(1 * MIB, _whole(1), "output shown by commands/{id}/info")
    preview_bytes: int = _setting(
        64 * KIB, _whole(0), "output kept as text in commands_info.output"
    )
    flush_bytes: int = _setting(1 * MIB, _whole(4 * KIB), "new output that is archived at once")
    flush_seconds: float = _setting(0.2, _seconds, "new output is archived after so long")
    retention_days: float = _setting(
        0.0, _days, "runs that ended so many days ago are removed; 0: none"
    )
    retention_runs_per_command: int = _setting(
        0, _whole(0), "finished runs kept of each command; 0: all"
    )
    retention_bytes: int = _setting(
        0, _whole(0), "output kept of all finished runs together; 0: no bound"
    )
    database_connections: int = _setting(
        8, _whole(1), "connections to the database, besides the archive's"
    )
    database_timeout_seconds: float = _setting(
        10.0, _seconds_above_zero, "wait for an answer of the database"
    )
    log_level: str = _setting(
        "info", _one_of("debug", "info", "warning", "error"), "what the server's own log tells"
    )
    log_format: str = _setting(
        "text", _one_of("text", "json"), "how the server's own log is written"
    )


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings; an option on the command line wins over its variable.

    Raises:
        StartupError: a setting is unknown or wrong; the message names it and what it takes.
    """
    fields = {one.name: one for one in dataclasses.fields(Settings)}
    _refuse_unknown_variables(fields, environment)
    given = vars(_option_parser().parse_args(arguments))
    values: dict[str, Any] = {}
    for name, one in fields.items():
        source, text = f"--{name.replace('_', '-')}", given[name]
        if text is None:
            source, text = PREFIX + name.upper(), environment.get(PREFIX + name.upper())
        if text is None:
            continue
        try:
            values[name] = one.metadata["parse"](text)
        except ValueError as error:
            raise StartupError(f"{source} is {text!r}; it takes {error}.") from error
    return Settings(**values)


def _refuse_unknown_variables(known: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    names = [PREFIX + name.upper() for name in known]
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in {*names, *RUN_VARIABLES}:
            close = difflib.get_close_matches(variable, names, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise StartupError(
                f"{variable} is no setting of Tailrun.{hint} `tailrun --help` lists them."
            )


def _option_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailrun",
        description="Stores shell commands, runs them, and lets anyone watch a run live.",
        epilog="Each option is also an environment variable: --max-viewers is TAILRUN_MAX_VIEWERS.",
        allow_abbrev=False,
    )
    defaults = Settings()
    for one in dataclasses.fields(Settings):
        default = getattr(defaults, one.name)
        parser.add_argument(
            f"--{one.name.replace('_', '-')}",
            help=f"{one.metadata['description']} (default: {show(default)})".replace("%", "%%"),
            metavar="true|false" if isinstance(default, bool) else one.name.upper(),
            nargs="?" if isinstance(default, bool) else None,
            const="true" if isinstance(default, bool) else None,
        )
    return parser


def show(value: object) -> str:
    """Write a default the way the README's table and `--help` show it."""
    if value in (None, (), ""):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
