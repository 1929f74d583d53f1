"""All settings, in the groups that their readers take. What each is, and its default, stands here.

A setting is the variable `TAILRUN_<NAME>` and the option `--<name>`: its group's prefix, if it has
one, and its own name. `reading.py` reads them.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

from server.settings.values import (
    NamedGrant,
    Parser,
    absolute_path,
    base_path,
    boolean,
    file_mode,
    issuer,
    named_grants,
    names,
    networks,
    none_if_zero,
    nonempty,
    number,
    one_of,
    origin,
    visible,
    whole,
)

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MAX_MEMORY_BYTES = 2**63 - 1
MAX_BYTES = 2**62
"""Of a disk, and of all output: the database counts in 63 bits, and adds."""

MAX_PROCESSES = 2**22
"""The kernel's own bound, PID_MAX_LIMIT."""

MANY = 1_000_000
"""More than one host can serve: it refuses what can only be a slip."""
DAY_SECONDS = 86_400
YEAR_SECONDS = 365 * DAY_SECONDS
SHORTEST_SECONDS = 0.001
"""0 would be no time at all, and every wait would fail."""

OutputPolicy = Literal["stop", "head_and_tail"]
Auth = Literal["auto", "required", "off"]
NoNewPrivileges = Literal["auto", "always", "never"]


def _default_state_dir() -> Path:
    """Return where state lives: /var/lib for root, else the place of the XDG specification."""
    if os.geteuid() == 0:
        return Path("/var/lib/tailrun")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tailrun"


def _setting(default: Any, parse: Parser, description: str, *, none: str = "none") -> Any:
    """Declare a setting; `none` is how a default of None is shown."""
    metadata = {"parse": parse, "description": description, "none": none}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _secret(parse: Parser, description: str) -> Any:
    """Declare what is, or may hold, a secret, none by default: it is never shown.

    The setting after it, of the same name and `_file`, names a file that holds it.
    """
    return field(
        default=None,
        metadata={"parse": parse, "description": description, "none": "none", "secret": True},
    )


def _bound(parse: Parser, description: str) -> Any:
    """Declare a limit that is off by default: 0 is read as None."""
    return _setting(None, none_if_zero(parse), description, none="0")


def _group(kind: Callable[[], Any], prefix: str = "") -> Any:
    return field(default_factory=kind, metadata={"prefix": prefix})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Where the service listens, to whom it answers, and the bounds of a request."""

    host: str = _setting("127.0.0.1", nonempty, "address to listen on")
    port: int = _setting(8000, whole(0, 65535), "port to listen on; 0 takes a free one")
    allowed_hosts: tuple[str, ...] = _setting(
        (), names, "further host names, comma separated, that requests may be addressed to"
    )
    base_path: str = _setting(
        "", base_path, "path under which a proxy serves Tailrun, such as /tools/tailrun"
    )
    insecure_no_auth: bool = _setting(
        False,  # noqa: FBT003
        boolean,
        "the same as TAILRUN_AUTH=off, which replaces it",
    )
    public_url: str | None = _setting(
        None,
        origin,
        "where people reach Tailrun, such as https://runs.example.org; none: as a request says",
    )
    max_connections: int = _setting(4000, whole(1, MANY), "client connections, viewers included")
    max_body_bytes: int = _setting(1 * MIB, whole(1, 64 * MIB), "size of a request's body")
    info_output_bytes: int = _setting(
        1 * MIB, whole(1, 64 * MIB), "output in the answer of commands/{id}/info"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Who is let in, and how others than local users reach the service."""

    auth: Auth = _setting(
        "auto",
        one_of("auto", "required", "off"),
        "who is let in: local users and whoever signs in (auto), only who signs in (required),"
        " or everybody (off); on addresses other than loopback auto is required",
    )
    local_users: tuple[NamedGrant, ...] = _setting(
        (),
        named_grants,
        "further users of this host who need not sign in, with their roles, comma separated,"
        " such as alice=operator or bob=editor@deploy; the server's own is an admin",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = _setting(
        (),
        networks,
        "addresses or networks, comma separated, of proxies whose X-Forwarded-For and"
        " X-Forwarded-Proto are believed",
    )
    tls_certificate: Path | None = _setting(
        None, absolute_path, "file with the certificate (PEM, with its chain) to serve https by"
    )
    tls_key: Path | None = _setting(None, absolute_path, "file with that certificate's key (PEM)")
    metrics_token: str | None = _secret(
        visible, "token by which a monitoring system reads /metrics, and nothing else"
    )
    metrics_token_file: Path | None = _setting(
        None, absolute_path, "file that holds TAILRUN_METRICS_TOKEN, in its first line"
    )
    audit_log: Path | None = _setting(
        None, absolute_path, "file to which the audit is also written, a line of JSON an act"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """Which provider of OpenID Connect people may sign in at, and what that gives them."""

    issuer: str | None = _setting(
        None, issuer, "provider of OpenID Connect that people sign in at, by its URL; none: no such"
    )
    client_id: str | None = _setting(None, nonempty, "what Tailrun is called at that provider")
    client_secret: str | None = _secret(nonempty, "proves to that provider that it is Tailrun")
    client_secret_file: Path | None = _setting(
        None, absolute_path, "file that holds TAILRUN_OIDC_CLIENT_SECRET, in its first line"
    )
    scopes: tuple[str, ...] = _setting(
        ("openid", "profile", "email"), names, "what is asked of the provider, comma separated"
    )
    principal_claim: str = _setting(
        "sub",
        nonempty,
        "claim that names a person; email counts only where the provider has verified it",
    )
    grants_claim: str = _setting("groups", nonempty, "claim that TAILRUN_OIDC_GRANTS looks at")
    grants: tuple[NamedGrant, ...] = _setting(
        (),
        named_grants,
        "what its values give, such as ops=operator@*,dev=editor@web; * is every value and none",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Which PostgreSQL is used, and how."""

    url: str | None = _secret(
        nonempty, "PostgreSQL to use (postgresql://…); none: the embedded one in STATE_DIR"
    )
    url_file: Path | None = _setting(
        None, absolute_path, "file that holds TAILRUN_DATABASE_URL, in its first line"
    )
    password_file: Path | None = _setting(
        None, absolute_path, "file that holds the password to the database, in its first line"
    )
    connections: int = _setting(
        8, whole(2, 1000), "connections to the database, one of them for the archive alone"
    )
    timeout_seconds: float = _setting(
        10.0,
        number(SHORTEST_SECONDS, 3600, of="seconds"),
        "longest wait for an answer of the database",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How runs are started, their bounds, and what becomes of them at the end."""

    # People write scripts for bash, so that is the default where there is one.
    shell: str = _setting(
        lambda: shutil.which("bash") or "/bin/sh", nonempty, "runs scripts that have no #! line"
    )
    working_directory: Path | None = _setting(
        None, absolute_path, "directory in which scripts start", none="home directory"
    )
    pass_environment: tuple[str, ...] = _setting(
        (),
        names,
        "names, comma separated, of the server's environment variables that scripts get, too",
    )
    max_concurrent_runs: int = _setting(
        100, whole(1, MANY), "runs at the same time; further ones are queued"
    )
    max_active_runs_per_command: int = _setting(
        100, whole(1, MANY), "queued and running runs of one command"
    )
    max_open_files: int | None = _bound(
        whole(0, 2**30), "file descriptors of each process of a run; 0: no limit"
    )
    max_processes: int | None = _bound(
        whole(0, MAX_PROCESSES),
        "processes of the runs' user, all together; 0: no limit; does not apply to root",
    )
    max_run_memory_bytes: int | None = _bound(
        whole(0, MAX_MEMORY_BYTES),
        "memory of a run, all its processes together, by a cgroup; 0: no limit",
    )
    run_timeout_seconds: float | None = _bound(
        number(0, YEAR_SECONDS, of="seconds"), "wall time of a run; 0: no limit"
    )
    stop_grace_seconds: float = _setting(
        10.0, number(0, DAY_SECONDS, of="seconds"), "grace period between SIGTERM and SIGKILL"
    )
    on_shutdown: str = _setting(
        "leave",
        one_of("leave", "stop"),
        "whether running runs go on (leave) or are stopped when the server ends",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivilegeSettings:
    """Whom runs act as, and what they may."""

    run_as: str | None = _setting(
        None, nonempty, "user that runs are started as, by a server that is root; none: its own"
    )
    run_as_users: tuple[str, ...] = _setting(
        (), names, "users, comma separated, that an admin may have a command run as, by `run_as`"
    )
    allow_root_runs: bool = _setting(
        False,  # noqa: FBT003
        boolean,
        "whether runs may be root's",
    )
    no_new_privileges: NoNewPrivileges = _setting(
        "auto",
        one_of("auto", "always", "never"),
        "whether no program of a run gains rights, which sudo must: auto is for runs as another"
        " user than the server's",
    )
    keeper_directory: Path | None = _setting(
        None,
        absolute_path,
        "directory of a keeper that is a service of its own, as root; none: the server starts one",
    )
    run_umask: int | None = _setting(None, file_mode, "umask of runs; none: the server's")
    run_oom_score_adj: int = _setting(
        300,
        whole(0, 1000),
        "how much sooner than the server runs are ended when memory is short, in thousandths of it",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """How much a run may write, and what happens beyond it."""

    max_output_bytes: int = _setting(
        10 * GIB,
        whole(1, MAX_BYTES),
        "output of one run; beyond it TAILRUN_OUTPUT_POLICY applies",
    )
    output_policy: OutputPolicy = _setting(
        "stop",
        one_of("stop", "head_and_tail"),
        "whether a run beyond its limit of output is stopped, or goes on without its middle part",
    )
    output_tail_bytes: int = _setting(
        1 * MIB,
        whole(4 * KIB, MAX_BYTES),
        "the part of TAILRUN_MAX_OUTPUT_BYTES that head_and_tail keeps for the end",
    )
    min_free_bytes: int = _setting(
        512 * MIB,
        whole(0, MAX_BYTES),
        "free disk space under the spool; below it runs that write are stopped",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerSettings:
    """How many may watch, and when one that takes nothing is dropped."""

    max_viewers: int = _setting(2000, whole(1, MANY), "viewers, of all runs together")
    max_viewers_per_run: int = _setting(1000, whole(1, MANY), "viewers of one run")
    viewer_stall_seconds: float = _setting(
        15.0,
        number(SHORTEST_SECONDS, DAY_SECONDS, of="seconds"),
        "time after which a viewer that takes nothing is dropped",
    )
    ping_seconds: float = _setting(
        20.0,
        number(SHORTEST_SECONDS, DAY_SECONDS, of="seconds"),
        "time after which a WebSocket viewer of text or raw that was sent nothing is pinged",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """When output is archived, and how much of it is kept as text besides."""

    preview_bytes: int = _setting(
        64 * KIB, whole(0, 16 * MIB), "output kept as text in commands_info.output"
    )
    flush_bytes: int = _setting(
        1 * MIB, whole(4 * KIB, 64 * MIB), "amount of new output that is archived at once"
    )
    flush_seconds: float = _setting(
        0.2, number(0, 60, of="seconds"), "time after which new output is archived"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """Which finished runs are removed."""

    days: float | None = _bound(
        number(0, 36_500, of="days"), "age at which runs that have ended are removed; 0: never"
    )
    runs_per_command: int | None = _bound(
        whole(0, 1000 * MANY), "finished runs that are kept of each command; 0: all"
    )
    bytes: int | None = _bound(
        whole(0, MAX_BYTES), "output that is kept of all finished runs together; 0: no limit"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What the server's own log holds, and in which format."""

    level: str = _setting(
        "info",
        one_of("debug", "info", "warning", "error"),
        "least severe messages in the server's own log",
    )
    format: str = _setting("text", one_of("text", "json"), "format of the server's own log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The service's settings: what all of it needs to know, and a group for each part."""

    state_dir: Path = _setting(
        _default_state_dir,
        absolute_path,
        "spools, lock, keeper's socket, embedded database",
    )
    http: HttpSettings = _group(HttpSettings)
    access: AccessSettings = _group(AccessSettings)
    oidc: OidcSettings = _group(OidcSettings, "oidc_")
    database: DatabaseSettings = _group(DatabaseSettings, "database_")
    runs: RunSettings = _group(RunSettings)
    privileges: PrivilegeSettings = _group(PrivilegeSettings)
    output: OutputSettings = _group(OutputSettings)
    viewers: ViewerSettings = _group(ViewerSettings)
    archive: ArchiveSettings = _group(ArchiveSettings)
    retention: RetentionSettings = _group(RetentionSettings, "retention_")
    log: LogSettings = _group(LogSettings, "log_")
