"""All settings, in the groups that their readers take. What each is, and its default, stands here.

A setting is the variable `TAILRUN_<NAME>` and the option `--<name>`: its group's prefix, if it has
one, and its own name. `reading.py` reads them.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from server.settings.access import AccessSettings, OidcSettings
from server.settings.declaring import bound, group, secret, setting
from server.settings.values import (
    absolute_path,
    base_path,
    boolean,
    engine_urls,
    file_mode,
    keys,
    labels,
    names,
    nonempty,
    number,
    one_of,
    origin,
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
NoNewPrivileges = Literal["auto", "always", "never"]


def _default_state_dir() -> Path:
    """Return where state lives: /var/lib for root, else the place of the XDG specification."""
    if os.geteuid() == 0:
        return Path("/var/lib/tailrun")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tailrun"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Where the service listens, to whom it answers, and the bounds of a request."""

    host: str = setting("127.0.0.1", nonempty, "address to listen on")
    port: int = setting(8000, whole(0, 65535), "port to listen on; 0 takes a free one")
    allowed_hosts: tuple[str, ...] = setting(
        (), names, "further host names, comma separated, that requests may be addressed to"
    )
    base_path: str = setting(
        "", base_path, "path under which a proxy serves Tailrun, such as /tools/tailrun"
    )
    insecure_no_auth: bool = setting(
        False,  # noqa: FBT003
        boolean,
        "the same as TAILRUN_AUTH=off, which replaces it",
    )
    public_url: str | None = setting(
        None,
        origin,
        "where people reach Tailrun, such as https://runs.example.org; none: as a request says",
    )
    max_connections: int = setting(4000, whole(1, MANY), "client connections, viewers included")
    max_body_bytes: int = setting(1 * MIB, whole(1, 64 * MIB), "size of a request's body")
    info_output_bytes: int = setting(
        1 * MIB, whole(1, 64 * MIB), "output in the answer of commands/{id}/info"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Which PostgreSQL is used, and how."""

    url: str | None = secret(
        nonempty, "PostgreSQL to use (postgresql://…); none: the embedded one in STATE_DIR"
    )
    url_file: Path | None = setting(
        None, absolute_path, "file that holds TAILRUN_DATABASE_URL, in its first line"
    )
    password_file: Path | None = setting(
        None, absolute_path, "file that holds the password to the database, in its first line"
    )
    connections: int = setting(
        8, whole(2, 1000), "connections to the database, up to two of them for output alone"
    )
    timeout_seconds: float = setting(
        10.0,
        number(SHORTEST_SECONDS, 3600, of="seconds"),
        "longest wait for an answer of the database",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How runs are started, their bounds, and what becomes of them at the end."""

    # People write scripts for bash, so that is the default where there is one.
    shell: str = setting(
        lambda: shutil.which("bash") or "/bin/sh", nonempty, "runs scripts that have no #! line"
    )
    working_directory: Path | None = setting(
        None, absolute_path, "directory in which scripts start", none="home directory"
    )
    pass_environment: tuple[str, ...] = setting(
        (),
        names,
        "names, comma separated, of the server's environment variables that scripts get, too",
    )
    max_concurrent_runs: int = setting(
        100, whole(1, MANY), "runs at the same time; further ones are queued"
    )
    local_worker: bool = setting(
        True,  # noqa: FBT003
        boolean,
        "whether the server runs commands itself; else those without a pool go to the pool default",
    )
    worker_pools: tuple[str, ...] = setting(
        (), keys, "pools, comma separated, whose commands the server runs, too"
    )
    worker_labels: tuple[str, ...] = setting(
        (), labels, "labels, comma separated, that commands may require, such as arch=arm64"
    )
    max_active_runs_per_command: int = setting(
        100, whole(1, MANY), "queued and running runs of one command"
    )
    max_open_files: int | None = bound(
        whole(0, 2**30), "file descriptors of each process of a run; 0: no limit"
    )
    max_processes: int | None = bound(
        whole(0, MAX_PROCESSES),
        "processes of the runs' user, all together; 0: no limit; does not apply to root",
    )
    max_run_memory_bytes: int | None = bound(
        whole(0, MAX_MEMORY_BYTES),
        "memory of a run, all its processes together, by a cgroup; 0: no limit",
    )
    run_timeout_seconds: float | None = bound(
        number(0, YEAR_SECONDS, of="seconds"), "wall time of a run; 0: no limit"
    )
    stop_grace_seconds: float = setting(
        10.0, number(0, DAY_SECONDS, of="seconds"), "grace period between SIGTERM and SIGKILL"
    )
    on_shutdown: str = setting(
        "leave",
        one_of("leave", "stop"),
        "whether running runs go on (leave) or are stopped when the server ends",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivilegeSettings:
    """Whom runs act as, and what they may."""

    run_as: str | None = setting(
        None, nonempty, "user that runs are started as, by a server that is root; none: its own"
    )
    run_as_users: tuple[str, ...] = setting(
        (), names, "users, comma separated, that an admin may have a command run as, by `run_as`"
    )
    allow_root_runs: bool = setting(
        False,  # noqa: FBT003
        boolean,
        "whether runs may be root's",
    )
    no_new_privileges: NoNewPrivileges = setting(
        "auto",
        one_of("auto", "always", "never"),
        "whether no program of a run gains rights, which sudo must: auto is for runs as another"
        " user than the server's",
    )
    keeper_directory: Path | None = setting(
        None,
        absolute_path,
        "directory of a keeper that is a service of its own, as root; none: the server starts one",
    )
    run_umask: int | None = setting(None, file_mode, "umask of runs; none: the server's")
    run_oom_score_adj: int = setting(
        300,
        whole(0, 1000),
        "how much sooner than the server runs are ended when memory is short, in thousandths of it",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """How much a run may write, and what happens beyond it."""

    max_output_bytes: int = setting(
        10 * GIB,
        whole(1, MAX_BYTES),
        "output of one run; beyond it TAILRUN_OUTPUT_POLICY applies",
    )
    output_policy: OutputPolicy = setting(
        "stop",
        one_of("stop", "head_and_tail"),
        "whether a run beyond its limit of output is stopped, or goes on without its middle part",
    )
    output_tail_bytes: int = setting(
        1 * MIB,
        whole(4 * KIB, MAX_BYTES),
        "the part of TAILRUN_MAX_OUTPUT_BYTES that head_and_tail keeps for the end",
    )
    min_free_bytes: int = setting(
        512 * MIB,
        whole(0, MAX_BYTES),
        "free disk space under the spool; below it runs that write are stopped",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """What other services may send to hooks."""

    max_hook_body_bytes: int = setting(
        1 * MIB, whole(1, 25 * MIB), "size of what is sent to a hook; GitHub sends up to 25 MiB"
    )
    max_hook_deliveries_per_minute: int = setting(
        60, whole(1, MANY), "signed deliveries to one hook in a minute"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerSettings:
    """How many may watch, and when one that takes nothing is dropped."""

    max_viewers: int = setting(
        2000, whole(1, MANY), "viewers, of all runs together; as many streams of events besides"
    )
    max_viewers_per_run: int = setting(1000, whole(1, MANY), "viewers of one run")
    viewer_stall_seconds: float = setting(
        15.0,
        number(SHORTEST_SECONDS, DAY_SECONDS, of="seconds"),
        "time after which a viewer that takes nothing is dropped",
    )
    ping_seconds: float = setting(
        20.0,
        number(SHORTEST_SECONDS, DAY_SECONDS, of="seconds"),
        "time after which a WebSocket viewer of text or raw that was sent nothing is pinged",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """When output is archived, and how much of it is kept as text besides."""

    preview_bytes: int = setting(
        64 * KIB, whole(0, 16 * MIB), "output kept as text in commands_info.output"
    )
    flush_bytes: int = setting(
        1 * MIB, whole(4 * KIB, 64 * MIB), "amount of new output that is archived at once"
    )
    flush_seconds: float = setting(
        0.2, number(0, 60, of="seconds"), "time after which new output is archived"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """Which finished runs are removed."""

    days: float | None = bound(
        number(0, 36_500, of="days"), "age at which runs that have ended are removed; 0: never"
    )
    runs_per_command: int | None = bound(
        whole(0, 1000 * MANY), "finished runs that are kept of each command; 0: all"
    )
    bytes: int | None = bound(
        whole(0, MAX_BYTES), "output that is kept of all finished runs together; 0: no limit"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSettings:
    """Where hosts meet, if there are several, and who this one is there."""

    url: tuple[str, ...] = setting(
        (),
        engine_urls,
        "NATS over which servers and workers speak, such as tls://nats.example.org; several,"
        " comma separated, of one cluster; none: this host alone",
    )
    seed_file: Path | None = setting(
        None,
        absolute_path,
        "file, readable by its user alone, that holds the seed of this host's nkey",
        none="nats.seed in STATE_DIR, made if there is none",
    )
    ca_file: Path | None = setting(
        None,
        absolute_path,
        "certificates in PEM that NATS's is signed with; none: those that the system trusts",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """How long hosts that meet over NATS count on each other."""

    seconds: float = setting(
        30.0,
        number(12, 3600, of="seconds"),
        "silence of a host, of those that meet over NATS, after which it counts as away",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """What makes servers one fleet."""

    key_file: Path | None = setting(
        None,
        absolute_path,
        "file with the seed of the key that all servers sign with, made if there is none",
        none="fleet.key in STATE_DIR",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What the server's own log holds, and in which format."""

    level: str = setting(
        "info",
        one_of("debug", "info", "warning", "error"),
        "least severe messages in the server's own log",
    )
    format: str = setting("text", one_of("text", "json"), "format of the server's own log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The service's settings: what all of it needs to know, and a group for each part."""

    state_dir: Path = setting(
        _default_state_dir,
        absolute_path,
        "spools, lock, keeper's socket, embedded database",
    )
    http: HttpSettings = group(HttpSettings)
    access: AccessSettings = group(AccessSettings)
    oidc: OidcSettings = group(OidcSettings, "oidc_")
    database: DatabaseSettings = group(DatabaseSettings, "database_")
    runs: RunSettings = group(RunSettings)
    privileges: PrivilegeSettings = group(PrivilegeSettings)
    output: OutputSettings = group(OutputSettings)
    viewers: ViewerSettings = group(ViewerSettings)
    hooks: HookSettings = group(HookSettings)
    archive: ArchiveSettings = group(ArchiveSettings)
    retention: RetentionSettings = group(RetentionSettings, "retention_")
    nats: NatsSettings = group(NatsSettings, "nats_")
    lease: LeaseSettings = group(LeaseSettings, "lease_")
    fleet: FleetSettings = group(FleetSettings, "fleet_")
    log: LogSettings = group(LogSettings, "log_")
