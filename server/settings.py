"""All settings: one frozen dataclass, read once from the environment and the command line."""

import argparse
import dataclasses
import difflib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from server.errors import StartupError
from server.files import read_line
from server.values import (
    Parser,
    absolute_path,
    base_path,
    boolean,
    names,
    number,
    one_of,
    whole,
    words,
)

PREFIX = "TAILRUN_"
RUN_VARIABLES = frozenset({"TAILRUN_RUN_ID", "TAILRUN_RUN_DIRECTORY", "TAILRUN_COMMAND_ID"})
"""Set for every run; not settings, yet present when a run starts a Tailrun of its own."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MAX_MEMORY_BYTES = 2**63 - 1
MAX_BYTES = 2**62
"""Of a disk, and of all output: the database counts in 63 bits, and adds."""

MAX_PROCESSES = 2**22
"""The kernel's own bound, PID_MAX_LIMIT."""

MANY = 1_000_000
DAY_SECONDS = 86_400
YEAR_SECONDS = 365 * DAY_SECONDS
SHORTEST_SECONDS = 0.001

SECRET = re.compile(r"://[^/@]*:[^@]*@|password\s*=", re.IGNORECASE)
"""What a URL or a connection string with a password in it looks like."""

OutputPolicy = Literal["stop", "head_and_tail"]


def _default_state_dir() -> Path:
    """Where state lives: /var/lib for root, else the XDG base directory specification's place."""
    if os.geteuid() == 0:
        return Path("/var/lib/tailrun")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tailrun"


def _default_shell() -> str:
    """Return what people write scripts for: bash, where there is one."""
    return shutil.which("bash") or "/bin/sh"


def _setting(default: Any, parse: Parser, description: str) -> Any:
    metadata = {"parse": parse, "description": description}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The service's settings; each is the variable `TAILRUN_<NAME>` and the option `--<name>`."""

    host: str = _setting("127.0.0.1", words, "address to listen on")
    port: int = _setting(8000, whole(0, 65535), "port to listen on; 0 takes a free one")
    state_dir: Path = _setting(
        _default_state_dir,
        absolute_path,
        "spools, lock, keeper's socket, embedded database",
    )
    database_url: str | None = _setting(
        None, words, "PostgreSQL to use (postgresql://…); none: the embedded one in STATE_DIR"
    )
    database_url_file: Path | None = _setting(
        None, absolute_path, "file that holds TAILRUN_DATABASE_URL, in its first line"
    )
    database_password_file: Path | None = _setting(
        None, absolute_path, "file that holds the password to the database, in its first line"
    )
    on_shutdown: str = _setting(
        "leave", one_of("leave", "stop"), "what becomes of running runs when the server ends"
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (), names, "further host names, comma separated, that requests may be addressed to"
    )
    base_path: str = _setting(
        "", base_path, "path that a proxy serves Tailrun under, such as /tools/tailrun"
    )
    insecure_no_auth: bool = _setting(
        False,  # noqa: FBT003
        boolean,
        "listen on other than loopback addresses although anyone may run commands",
    )
    shell: str = _setting(_default_shell, words, "what runs scripts that have no #! line")
    working_directory: Path = _setting(Path.home, absolute_path, "where scripts start")
    pass_environment: tuple[str, ...] = _setting(
        (), names, "names, comma separated, of the server's variables that scripts get too"
    )
    max_concurrent_runs: int = _setting(
        100, whole(1, MANY), "runs at a time; further ones are queued"
    )
    max_active_runs_per_command: int = _setting(
        100, whole(1, MANY), "queued and running runs of one command"
    )
    max_output_bytes: int = _setting(
        10 * GIB,
        whole(1, MAX_BYTES),
        "output of one run; what happens beyond it TAILRUN_OUTPUT_POLICY tells",
    )
    output_policy: OutputPolicy = _setting(
        "stop",
        one_of("stop", "head_and_tail"),
        "a run that reaches its bound of output is stopped, or goes on, with its middle left out",
    )
    output_tail_bytes: int = _setting(
        1 * MIB,
        whole(4 * KIB, MAX_BYTES),
        "of TAILRUN_MAX_OUTPUT_BYTES, what head_and_tail keeps of the end",
    )
    max_open_files: int = _setting(
        0, whole(0, 2**30), "descriptors of each process of a run; 0: no bound"
    )
    max_processes: int = _setting(
        0,
        whole(0, MAX_PROCESSES),
        "processes of the runs' user together; 0: no bound; does not bind root",
    )
    max_run_memory_bytes: int = _setting(
        0,
        whole(0, MAX_MEMORY_BYTES),
        "memory of all processes of one run together, by a cgroup; 0: no bound",
    )
    min_free_bytes: int = _setting(
        512 * MIB,
        whole(0, MAX_BYTES),
        "free disk under the spool; below it runs that write are stopped",
    )
    run_timeout_seconds: float = _setting(
        0.0, number(0, YEAR_SECONDS, of="seconds"), "wall time of a run; 0: no bound"
    )
    stop_grace_seconds: float = _setting(
        10.0, number(0, DAY_SECONDS, of="seconds"), "from SIGTERM to SIGKILL"
    )
    max_body_bytes: int = _setting(1 * MIB, whole(1, 64 * MIB), "request body")
    max_viewers: int = _setting(2000, whole(1, MANY), "viewers in all")
    max_viewers_per_run: int = _setting(1000, whole(1, MANY), "viewers of one run")
    max_connections: int = _setting(
        4000, whole(1, MANY), "connections of clients, viewers among them"
    )
    viewer_stall_seconds: float = _setting(
        15.0,
        number(SHORTEST_SECONDS, DAY_SECONDS, of="seconds"),
        "a viewer that takes nothing for so long is dropped",
    )
    ping_seconds: float = _setting(
        20.0,
        number(SHORTEST_SECONDS, DAY_SECONDS, of="seconds"),
        "a WebSocket viewer of text or raw that was sent nothing for so long is pinged",
    )
    info_output_bytes: int = _setting(
        1 * MIB, whole(1, 64 * MIB), "output shown by commands/{id}/info"
    )
    preview_bytes: int = _setting(
        64 * KIB, whole(0, 16 * MIB), "output kept as text in commands_info.output"
    )
    flush_bytes: int = _setting(
        1 * MIB, whole(4 * KIB, 64 * MIB), "new output that is archived at once"
    )
    flush_seconds: float = _setting(
        0.2, number(0, 60, of="seconds"), "new output is archived after so long"
    )
    retention_days: float = _setting(
        0.0, number(0, 36_500, of="days"), "runs that ended so many days ago are removed; 0: none"
    )
    retention_runs_per_command: int = _setting(
        0, whole(0, 1000 * MANY), "finished runs kept of each command; 0: all"
    )
    retention_bytes: int = _setting(
        0, whole(0, MAX_BYTES), "output kept of all finished runs together; 0: no bound"
    )
    database_connections: int = _setting(
        8, whole(2, 1000), "connections to the database, one of them for the archive alone"
    )
    database_timeout_seconds: float = _setting(
        10.0, number(SHORTEST_SECONDS, 3600, of="seconds"), "wait for an answer of the database"
    )
    log_level: str = _setting(
        "info", one_of("debug", "info", "warning", "error"), "what the server's own log tells"
    )
    log_format: str = _setting(
        "text", one_of("text", "json"), "how the server's own log is written"
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
            found = "not one" if name == "database_url" else repr(text)  # it may be a secret
            raise StartupError(f"{source} is {found}; it takes {error}.") from None
    _refuse_secret(given["database_url"])
    return _with_database_url(Settings(**values))


def _refuse_secret(given: str | None) -> None:
    """Refuse a password on the command line, which every user of the host can read (ps(1))."""
    if given is not None and SECRET.search(given):
        raise StartupError(
            "--database-url has a password in it, and every user of this host can read command"
            " lines. Set TAILRUN_DATABASE_URL, or name a file with --database-url-file."
        )


def _with_database_url(settings: Settings) -> Settings:
    """Return the settings with the URL that TAILRUN_DATABASE_URL_FILE holds, if one is named."""
    path = settings.database_url_file
    if path is None:
        return settings
    if settings.database_url is not None:
        raise StartupError(
            "TAILRUN_DATABASE_URL and TAILRUN_DATABASE_URL_FILE are both set. Unset one of them."
        )
    expected = "postgresql://user:password@host/name"
    url = _first_line(path, "TAILRUN_DATABASE_URL_FILE", expected, clean=str.strip)
    return dataclasses.replace(settings, database_url=url)


def database_password(settings: Settings) -> str | None:
    """Return the password that the file holds, if one is named.

    Raises:
        StartupError: it cannot be read, or holds none.
    """
    path = settings.database_password_file
    if path is None:
        return None
    return _first_line(path, "TAILRUN_DATABASE_PASSWORD_FILE", "the password, and nothing else,")


def _first_line(path: Path, setting: str, expected: str, clean: Callable[[str], str] = str) -> str:
    try:
        return words(clean(read_line(path)))
    except OSError as error:
        raise StartupError(
            f"{setting} names {path}, which cannot be read: {error.strerror}."
            " Make it readable, or name another."
        ) from error
    except ValueError:
        raise StartupError(
            f"{setting} names {path}, whose first line is empty or has control characters."
            f" Write {expected} there."
        ) from None


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
        usage="tailrun [serve | backup FILE | restore FILE] [--OPTION VALUE ...]",
        description="Stores shell commands, runs them, and lets anyone watch a run live. It serves,"
        " unless it is told to back its database up into a file, or to restore that.",
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
