"""The spool: what one run leaves on local disk, and the records in it.

    <root>/<run_id>/      0700; its creation is the token that a run is started at most once
        script            the script as run
        pipe              FIFO: the run's stdout and stderr
        output            the bytes that the keeper moved out of the pipe
        tail.<n>          output beyond the head, of which only the tail is kept (see output.py)
        run.json          ProcessRecord
        stop.json         StopRecord, written before the first signal
        exit.json         ExitRecord; once it is there, `output` will not grow any more

Records are written beside their place and renamed into it, so that a reader sees all of a
record or none. They are not synced to disk: after a power failure the runs are gone as well.
"""

import json
import os
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

SCRIPT = "script"
PIPE = "pipe"
OUTPUT = "output"
TAIL = "tail"
PROCESS_RECORD = "run.json"
STOP_RECORD = "stop.json"
EXIT_RECORD = "exit.json"

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one run, enforced by the keeper; None is no bound.

    A run that writes more than `max_output_bytes` is stopped; or, with "head_and_tail", goes on,
    and of its output the beginning and the last `tail_bytes` are kept.

    `max_open_files` and `max_processes` are those of setrlimit(2): of each process of the run the
    one, of all processes of the user the other, which does not bind root. `max_run_memory_bytes` is
    of all processes of the run together (see cgroup.py).
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
    run's cgroup, if it has one. `label` is what the client called the run by.
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


@dataclass(frozen=True, slots=True)
class StopRecord:
    """That a run is to end, and why: "stop", "timeout", "output_limit" or "disk_full"."""

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
    killed because the run's memory reached its bound; not always the main one.
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


_Record = TypeVar("_Record", ProcessRecord, StopRecord, ExitRecord)


class Spool:
    """The spools of all runs, in the directory `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of(cls, state_dir: Path) -> "Spool":
        """Return the spool of a state directory."""
        return cls(state_dir / "spool")

    def directory(self, run_id: str) -> Path:
        """Return where a run's files are; ValueError when `run_id` is no UUID."""
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(f"not a run id: {run_id!r}")
        return self.root / run_id

    def output_path(self, run_id: str) -> Path:
        """Return where a run's output is."""
        return self.directory(run_id) / OUTPUT

    def run_ids(self) -> list[str]:
        """Return the runs that have a spool, ended or not."""
        if not self.root.is_dir():
            return []
        return [name for name in os.listdir(self.root) if _RUN_ID.fullmatch(name)]  # noqa: PTH208

    def create(self, run_id: str, script: bytes) -> bool:
        """Make a run's spool; False when it is there already.

        OSError: it could not be made; or, where its directory is there, not all of it.
        """
        directory = self.directory(run_id)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            return False
        _write(directory / OUTPUT, b"")
        _write(directory / SCRIPT, script)
        os.mkfifo(directory / PIPE, 0o600)
        return True

    def remove(self, run_id: str) -> None:
        """Remove a run's spool; harmless when there is none.

        exit.json goes last: a removal that was cut short leaves a run that has ended.
        """
        directory = self.directory(run_id)
        if not directory.is_dir():
            return
        for path in sorted(directory.iterdir(), key=lambda path: path.name == EXIT_RECORD):
            path.unlink(missing_ok=True)
        directory.rmdir()

    def read_script(self, run_id: str) -> str:
        """Return the script as it was run; OSError: it cannot be read."""
        return (self.directory(run_id) / SCRIPT).read_text()

    def read_process(self, run_id: str) -> ProcessRecord | None:
        """Return who the run's main process is; None before it was started."""
        return _read(self.directory(run_id) / PROCESS_RECORD, ProcessRecord)

    def read_stop(self, run_id: str) -> StopRecord | None:
        """Return why the run is being stopped; None when it is not."""
        return _read(self.directory(run_id) / STOP_RECORD, StopRecord)

    def read_exit(self, run_id: str) -> ExitRecord | None:
        """Return how the run ended; None while it has not."""
        return _read(self.directory(run_id) / EXIT_RECORD, ExitRecord)

    def write_process(self, run_id: str, record: ProcessRecord) -> None:
        """Record who the run's main process is."""
        _write_record(self.directory(run_id) / PROCESS_RECORD, record)

    def write_stop(self, run_id: str, record: StopRecord) -> None:
        """Record that the run is to end."""
        _write_record(self.directory(run_id) / STOP_RECORD, record)

    def write_exit(self, run_id: str, record: ExitRecord) -> None:
        """Record how the run ended."""
        _write_record(self.directory(run_id) / EXIT_RECORD, record)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123
        file.write(data)


def _write_record(path: Path, record: ProcessRecord | StopRecord | ExitRecord) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    _write(temporary, json.dumps(asdict(record)).encode())
    temporary.replace(path)


def _read(path: Path, kind: type[_Record]) -> _Record | None:
    """Read a record; None when there is none, or none that is whole (a power failure)."""
    try:
        values = json.loads(path.read_bytes())
        if not isinstance(values, dict):
            return None
        if kind is ProcessRecord:
            values["limits"] = Limits(**_known(Limits, values.get("limits", {})))
        return kind(**_known(kind, values))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _known(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Leave out the fields that a newer keeper may have added."""
    return {entry.name: values[entry.name] for entry in fields(kind) if entry.name in values}
