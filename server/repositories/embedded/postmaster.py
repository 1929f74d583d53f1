"""The server that runs on a data directory, as its lock files and /proc show."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from server.files import read_small

LOCK = "postmaster.pid"
SOCKET_LOCK = ".s.PGSQL.5432.lock"


def pid_of(directory: Path) -> int | None:
    """Return the pid of the server that runs on a directory; None when none does."""
    pid = next(_lines(directory / LOCK), "")
    return int(pid) if _is_ours(pid, directory) else None


def is_ready(directory: Path) -> bool:
    """Return whether a server runs on a directory and takes connections."""
    status = [*_lines(directory / LOCK)][7:]
    return pid_of(directory) is not None and status == ["ready"]


def remove_stale_locks(directory: Path) -> None:
    """Remove lock files of a dead server whose pid is taken: PostgreSQL would respect them.

    The pid may be another process's now (a container's come again and again), or the dead
    server's own, as long as nobody has reaped it. Where no process has the pid, PostgreSQL
    clears up itself; and whether a dead server's children still use the data, it sees from
    their shared memory (PGSharedMemoryCreate in src/backend/port/sysv_shmem.c).
    """
    for lock in (directory / LOCK, directory / SOCKET_LOCK):
        pid = next(_lines(lock), None)
        if pid is None or _is_ours(pid, directory):
            continue
        if not pid.isascii() or not pid.isdigit() or Path("/proc", pid).exists():
            lock.unlink(missing_ok=True)


def _lines(lock: Path) -> Iterator[str]:
    """Return the lines of a lock file, none if there is none (src/include/utils/pidfile.h)."""
    with suppress(FileNotFoundError):
        yield from (line.strip() for line in read_small(lock).splitlines() or [""])


def _is_ours(pid: str, directory: Path) -> bool:
    """Return whether a lock file's pid is a live PostgreSQL that works in this directory."""
    if not pid.isascii() or not pid.isdigit() or not _is_living_server(pid):
        return False
    with suppress(FileNotFoundError, ProcessLookupError):
        status = directory.stat()
        if Path("/proc", pid).stat().st_uid != status.st_uid:
            return False
        # In a container root may not see which directory a process is in: then its user decides.
        with suppress(PermissionError):
            return os.path.samestat(Path("/proc", pid, "cwd").stat(), status)
        return True
    return False


def _is_living_server(pid: str) -> bool:
    with suppress(OSError):
        name, _, rest = Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(") ")
        return name.endswith("(postgres") and not rest.startswith(("Z", "X"))
    return False
