"""What the keeper notes of a run, for the server and for a keeper after it.

Fields that a newer keeper has added are left out by an older one; those that an older one did not
write have defaults. See files.py for how they are read.
"""

import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from server.keeper.checks import (
    MAX_RECORD_BYTES,
    MAX_SECONDS,
    Checks,
    build,
    flag,
    one_of,
    optional,
    seconds,
    text,
    texts,
    whole,
)

MAX_USER_LENGTH = 256  # LOGIN_NAME_MAX, limits.h(0p)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one run, enforced by the keeper; None is no bound.

    A run that writes more than `max_output_bytes` is stopped; or, with "head_and_tail", goes on,
    and of its output the beginning and the last `tail_bytes` are kept.

    `max_open_files` and `max_processes` are those of setrlimit(2): of each process of the run the
    one, of all processes of the user the other, which does not bind root. `max_run_memory_bytes` is
    of all processes of the run together (see cgroups/group.py).
    """

    timeout_seconds: float | None = None
    max_output_bytes: int | None = None
    min_free_bytes: int = 0
    grace_seconds: float = 10.0
    output_policy: Literal["stop", "head_and_tail"] = "stop"
    tail_bytes: int = 1024 * 1024
    max_open_files: int | None = None
    max_processes: int | None = None
    max_run_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """Who a run's main process is; a pid alone may be another process by now.

    `start_ticks` is field 22 of proc_pid_stat(5), 0 when the process had ended before it was
    looked at; `started_at` is in Unix seconds. `exitcode` or `signal` is set once the process has
    ended while others of the run are still being ended. `memory_group` is the directory of the
    run's cgroup, if it has one. `label` is what the client called the run by; `user`, whom it was
    started as, None: the keeper's own user. `leased_at` is that of its StartRequest.
    """

    pid: int
    start_ticks: int
    boot_id: str
    started_at: float
    limits: Limits = field(default_factory=Limits)
    exitcode: int | None = None
    signal: str | None = None
    memory_group: str | None = None
    label: str = ""
    user: str | None = None
    leased_at: float | None = None


@dataclass(frozen=True, slots=True)
class StopRecord:
    """That a run is to end, and why.

    That is "stop", "timeout", "output_limit", "disk_full", "spool_removed" or "lease".
    """

    cause: str
    signal: str
    grace_seconds: float
    requested_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How a run ended.

    `exitcode` and `signal` (a name, "SIGKILL") are never both set; neither is when the run
    could not be started (`error` says why) or its end was not seen (`lost`). `cause` is that
    of a StopRecord or None. `survivors` names processes that could not be ended. `left_out_bytes`
    of the output were not kept: a marker line stands for them. `memory_reached`: a process was
    killed because the run's memory reached its bound; not always the main one. `left_behind` is
    how many processes went on in the background when the main one had ended, and were ended then.
    `output_changed`: somebody else has cut or lengthened the output. `output_error` says why it
    could not be completed.
    """

    exitcode: int | None = None
    signal: str | None = None
    cause: str | None = None
    error: str | None = None
    lost: bool = False
    ended_at: float = 0.0
    output_bytes: int = 0
    survivors: list[str] = field(default_factory=list)
    left_out_bytes: int = 0
    memory_reached: bool = False
    left_behind: int = 0
    output_changed: bool = False
    output_error: str | None = None


LIMITS: Checks = {
    "timeout_seconds": optional(seconds()),
    "max_output_bytes": optional(whole()),
    "min_free_bytes": whole(),
    "grace_seconds": seconds(),
    "output_policy": one_of({"stop": "", "head_and_tail": ""}),
    "tail_bytes": whole(),
    "max_open_files": optional(whole()),
    "max_processes": optional(whole()),
    "max_run_memory_bytes": optional(whole()),
}
_STATUS: Checks = {
    "exitcode": optional(whole(0, 255)),
    "signal": optional(text(20)),
}
_PROCESS: Checks = {
    **_STATUS,
    "pid": whole(1, 2**31 - 1),
    "start_ticks": whole(),
    "boot_id": text(100),
    "started_at": seconds(),
    "limits": lambda value: isinstance(value, Limits),
    "memory_group": optional(text(4096)),
    "label": text(1000),
    "user": optional(text(MAX_USER_LENGTH)),
    "leased_at": optional(seconds()),
}
STOP: Checks = {
    "cause": text(100),
    "signal": one_of(signal.Signals.__members__),
    "grace_seconds": seconds(-MAX_SECONDS),
    "requested_at": seconds(),
}
_EXIT: Checks = {
    **_STATUS,
    "cause": optional(text(100)),
    "error": optional(text(MAX_RECORD_BYTES)),
    "lost": flag,
    "ended_at": seconds(),
    "output_bytes": whole(),
    "survivors": texts,
    "left_out_bytes": whole(),
    "memory_reached": flag,
    "left_behind": whole(),
    "output_changed": flag,
    "output_error": optional(text(MAX_RECORD_BYTES)),
}

_Record = TypeVar("_Record", ProcessRecord, StopRecord, ExitRecord)


def process_record(values: Mapping[str, Any] | None) -> ProcessRecord | None:
    """Make the record of a file's fields; None where there is none, or none of ours."""
    if values is not None and isinstance(limits := values.get("limits", {}), dict):
        with suppress(ValueError):
            values = {**values, "limits": build(Limits, limits, LIMITS)}
    return _record(ProcessRecord, values, _PROCESS)


def stop_record(values: Mapping[str, Any] | None) -> StopRecord | None:
    """Make the record of a file's fields; None where there is none, or none of ours."""
    return _record(StopRecord, values, STOP)


def exit_record(values: Mapping[str, Any] | None) -> ExitRecord | None:
    """Make the record of a file's fields; None where there is none, or none of ours."""
    # Every keeper writes all fields, so that an object without this one is somebody else's.
    if values is None or "exitcode" not in values:
        return None
    return _record(ExitRecord, values, _EXIT)


def _record(
    kind: type[_Record], values: Mapping[str, Any] | None, checks: Checks
) -> _Record | None:
    if values is None or None not in (values.get("exitcode"), values.get("signal")):
        return None
    with suppress(ValueError):
        return build(kind, values, checks)
    return None
