"""The state directory: created, locked and given an identity."""

import asyncio
import fcntl
import logging
import os
import pwd
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from server.errors import StartupError, StateDirectoryInUseError
from server.files import read_small

HOST_FILE = "host-id"
LOCK_FILE = "server.lock"
JOURNAL_FILE = "audit"
"""What is to be entered in the audit."""
WRITTEN_FILE = "audit-log.json"
"""Which rows of the audit TAILRUN_AUDIT_LOG has."""
CHECK_SECONDS = 0.25
"""Between two checks of the lock: for so long two servers may believe that they hold it."""

OWN_NAMES = (LOCK_FILE, HOST_FILE, JOURNAL_FILE, "spool", "work", "trash", "keeper")
"""What is ours in the directory. Not the embedded database: for root another user owns it."""

OTHER_USERS = stat.S_IRWXG | stat.S_IRWXO
"""The permissions of everybody but the owner."""
PASSING = stat.S_IXGRP | stat.S_IXOTH
PASSED = ("work",)
"""What users that runs are started as must pass, if there are any, and the state directory."""
IDENTITY = re.compile(r"[!-~]{1,64}")
_IDENTITY_MEND = (
    "Free space or make it readable, put it back from a backup, or remove it: then another one is"
    " made, and runs that were active under this one are not adopted."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """A state directory that a server holds; `host` is its identity, stored with its runs."""

    path: Path
    lock: TextIO
    host: str

    @property
    def held(self) -> bool:
        """Whether the directory's lock file is still the one that this server holds.

        An operator removes the lock of a server that hangs to let another take over.
        """
        try:
            found = (self.path / LOCK_FILE).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:  # it may still be ours
            logger.warning("lock %s cannot be checked: %s", self.path / LOCK_FILE, error)
            return True
        return os.path.samestat(found, os.fstat(self.lock.fileno()))

    async def watch(self) -> None:
        """End this process once it no longer holds the directory."""
        while self.held:  # noqa: ASYNC110  no event announces it
            await asyncio.sleep(CHECK_SECONDS)
        logger.critical("another server has taken over the state directory %s", self.path)
        # Without cleaning up: the runs and their spools belong to the other server by now.
        logging.shutdown()
        os._exit(os.EX_TEMPFAIL)


@contextmanager
def state_directory(
    directory: Path, identity: str | None = None, *, passable: bool = False
) -> Iterator[StateDirectory]:
    """Hold the state directory for one server; `identity` is used if it has none yet.

    The directory and all in it are closed to other users: who may write there can start runs, and
    who may read there can read their output. If it is `passable`, others may go on to pass it, and
    what is above the runs' own directories: they see nothing there.

    Raises:
        StateDirectoryInUseError: another server holds it.
        StartupError: it cannot be used, or belongs to somebody else.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(directory, passable=passable)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(directory / LOCK_FILE, flags, 0o600)
    except OSError as error:
        raise StartupError(
            f"The state directory {directory} cannot be written: {error.strerror}."
            " Make it writable or set TAILRUN_STATE_DIR to another."
        ) from error
    with open(descriptor, "r+", encoding="ascii") as lock:  # noqa: PTH123  of a descriptor
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateDirectoryInUseError(
                f"Another Tailrun server uses the state directory {directory}."
                " End it, or set TAILRUN_STATE_DIR to another directory."
            ) from error
        yield StateDirectory(directory, lock, _identity(directory / HOST_FILE, identity))


def identity_in(directory: Path) -> str | None:
    """Return the identity of a state directory, or None if it has none; nothing is created.

    Raises:
        StartupError: it has one that cannot be read or is not valid.
    """
    path = directory / HOST_FILE
    return _identity(path, None) if os.path.lexists(path) else None


def _close_to_others(directory: Path, *, passable: bool) -> None:
    """Remove other users' permissions from the directory and what is ours in it."""
    if directory.stat().st_mode & stat.S_IWOTH:
        raise StartupError(
            f"The state directory {directory} can be written by every user of this host. Look at"
            f" what is in it, then `chmod 0700 {directory}`, or set TAILRUN_STATE_DIR to another."
        )
    _make_private(directory.resolve(), passable=passable)
    for name in OWN_NAMES:
        with suppress(FileNotFoundError):
            _make_private(directory / name, passable=passable and name in PASSED)


def _make_private(path: Path, *, passable: bool) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return  # its target is not ours to change
    if found.st_uid != os.geteuid():
        raise StartupError(
            f"{path} belongs to {_user_name(found.st_uid)}, and this server runs as"
            f" {_user_name(os.geteuid())}. Start it as the former, or set TAILRUN_STATE_DIR to a"
            " directory of the latter; one that does not exist is created."
        )
    taken = OTHER_USERS & ~PASSING if passable else OTHER_USERS
    if found.st_mode & taken:
        path.chmod(stat.S_IMODE(found.st_mode) & ~taken)


def _identity(path: Path, identity: str | None) -> str:
    """Return the identity that the file holds; create it if there is none."""
    try:
        if not os.path.lexists(path):
            temporary = path.with_suffix(".tmp")
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  of a descriptor
                file.write(f"{identity or uuid.uuid4()}\n")
                file.flush()
                os.fsync(file.fileno())  # else a crash may leave an empty file
            temporary.replace(path)
        host = read_small(path).removesuffix("\n")
    except OSError as error:
        raise StartupError(
            f"The host's identity {path} cannot be used: {error.strerror}. {_IDENTITY_MEND}"
        ) from error
    if not IDENTITY.fullmatch(host):
        raise StartupError(f"The host's identity {path} is not valid. {_IDENTITY_MEND}")
    return host


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
