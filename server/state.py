"""The state directory: made, locked and named."""

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.errors import StartupError

HOST_FILE = "host-id"
LOCK_FILE = "server.lock"


@contextmanager
def state_directory(directory: Path) -> Iterator[str]:
    """Hold the state directory for one server; yields its identity, stored with its runs.

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
        yield _identity(directory / HOST_FILE)


def _identity(path: Path) -> str:
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        temporary.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        temporary.replace(path)
    return path.read_text(encoding="ascii").strip()
