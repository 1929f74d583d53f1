"""The state directory: made, locked and named."""

import asyncio
import fcntl
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from server.errors import StartupError

HOST_FILE = "host-id"
LOCK_FILE = "server.lock"
LOOK_SECONDS = 0.25

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """A state directory that a server holds; `host` is its identity, stored with its runs."""

    path: Path
    lock: TextIO
    host: str

    @property
    def held(self) -> bool:
        """Whether the directory's lock is still the one that is held.

        Who removes the lock of a server that hangs has another one take over.
        """
        try:
            found = (self.path / LOCK_FILE).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:  # that tells nothing of who holds it
            logger.warning("the lock %s cannot be looked at: %s", self.path / LOCK_FILE, error)
            return True
        return os.path.samestat(found, os.fstat(self.lock.fileno()))

    async def watch(self) -> None:
        """End this process once it does not hold the directory any more.

        It ends at once and tidies nothing up: all that it knows is another server's by now.
        """
        while self.held:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(LOOK_SECONDS)
        logger.critical("another server has taken over the state directory %s", self.path)
        logging.shutdown()
        os._exit(os.EX_TEMPFAIL)


@contextmanager
def state_directory(directory: Path) -> Iterator[StateDirectory]:
    """Hold the state directory for one server.

    Raises:
        StartupError: it cannot be written, or another server holds it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / LOCK_FILE).open("a+", encoding="ascii")
    except OSError as error:
        raise StartupError(
            f"The state directory {directory} cannot be written: {error.strerror}."
            " Make it writable or set TAILRUN_STATE_DIR to another."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartupError(
                f"Another Tailrun server uses the state directory {directory}."
                " End it, or set TAILRUN_STATE_DIR to another directory."
            ) from error
        yield StateDirectory(directory, lock, _identity(directory / HOST_FILE))


def _identity(path: Path) -> str:
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        temporary.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        temporary.replace(path)
    return path.read_text(encoding="ascii").strip()
