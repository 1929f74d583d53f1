"""Facts about processes from /proc, and signals that reach the process meant or none.

A pid may be given to another process once its own was reaped; a pid with its start time is
that process for as long as the machine is up (proc_pid_stat(5), pidfd_open(2)).
"""

import functools
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.keeper.protocol import RUN_DIRECTORY_VARIABLE, RUN_ID_VARIABLE

_MARK = f"{RUN_ID_VARIABLE}=".encode()
_DIRECTORY = f"{RUN_DIRECTORY_VARIABLE}=".encode()
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was when it was read.

    `ended`: it only waits to be reaped, and none of its threads goes on without the first.
    """

    pid: int
    start_ticks: int
    group: int
    session: int
    name: str
    ended: bool

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.name})"


def read(pid: int) -> Process | None:
    """Look at a process; None when there is none of this pid, or none that we may see."""
    if (stat := _stat(pid)) is None:
        return None
    name, values = stat
    # `values` begins with field 3 of proc_pid_stat(5): these are 22, 5, 6, 3 and 20.
    return Process(
        pid=pid,
        start_ticks=int(values[19]),
        group=int(values[2]),
        session=int(values[3]),
        name=name,
        ended=values[0] in b"ZX" and int(values[17]) <= 1,
    )


def is_same(pid: int, start_ticks: int) -> bool:
    """Whether the process that started at `start_ticks` still has this pid (reaped: no)."""
    process = read(pid)
    return process is not None and process.start_ticks == start_ticks


def is_stopped(pid: int, start_ticks: int) -> bool:
    """Whether the process that started at `start_ticks` was stopped by a signal (SIGSTOP).

    One that waits for its child of vfork(2) to execute cannot stop; then the child has.
    """
    if not is_same(pid, start_ticks):
        return False
    state = _state(pid)
    return state == b"T" or (state == b"D" and b"T" in map(_state, children(pid)))


def children(pid: int) -> list[int]:
    """Return the children of a process, also those that wait to be reaped."""
    found: list[int] = []
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            found += map(int, (task / "children").read_bytes().split())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return found


def with_descendants(pids: Iterable[int]) -> Iterator[int]:
    """Return processes, their children, and so on."""
    seen: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            waiting += children(pid)
            yield pid


def owner(pid: int) -> str | None:
    """Return the run whose mark a process has in its environment; None when not to be seen."""
    return _variable(pid, _MARK)


def directory(pid: int) -> str | None:
    """Return the run's own directory that a process was given; None when not to be seen."""
    return _variable(pid, _DIRECTORY)


def owners() -> dict[int, str]:
    """Return the marked processes of the whole machine: slow where there are many."""
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return {pid: run_id for pid in pids if (run_id := owner(pid)) is not None}


def send(process: Process, number: int) -> None:
    """Signal a process if it still is the one meant and may be signalled."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if is_same(process.pid, process.start_ticks):
            signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(descriptor)


def send_group(group: int, number: int) -> bool:
    """Signal a process group (0 only asks); False when it has no process."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # all of them are another user's: they exist, and will be named as survivors
    return True


def _variable(pid: int, prefix: bytes) -> str | None:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    for entry in environment.split(b"\0"):
        if entry.startswith(prefix):
            return os.fsdecode(entry.removeprefix(prefix))
    return None


def _stat(pid: int) -> tuple[str, list[bytes]] | None:
    """Return a process's name and what follows it in proc_pid_stat(5)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    head, _, tail = stat.rpartition(b")")
    return head.partition(b"(")[2].decode(errors="replace"), tail.split()


def _state(pid: int) -> bytes | None:
    stat = _stat(pid)
    return None if stat is None else stat[1][0]


@functools.cache
def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def signal_number(name: str) -> int:
    """Return the number of a signal's name.

    Raises:
        ValueError: there is none.
    """
    try:
        return signal.Signals[name]
    except KeyError:
        raise ValueError(f"unknown signal {name!r}") from None


def signal_name(number: int) -> str:
    """Return a signal's name; those without one are named as kill(1) does."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
