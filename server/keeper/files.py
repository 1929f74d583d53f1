"""Small files: JSON objects that are written whole or not at all, and read with suspicion.

Whoever has the same user can put anything at a record's name: a directory, a pipe that nobody
writes to, a device without an end. None of these is a record, and opening them never waits.
"""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from server.keeper.checks import MAX_RECORD_BYTES

TRANSIENT_ERRORS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EINTR}
)
"""Errors by a shortage that passes; they say nothing of the file."""


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a file that is a regular one, not a link to one, and never wait for it.

    `mode` is that of a new one.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def closed_mode(directory: Path, mode: int) -> int:
    """Return the mode of what is made in a directory: its group may read it as it may read that.

    `mode` is the owner's. Others get nothing.

    Raises:
        OSError: the directory cannot be looked at.
    """
    readable = directory.stat().st_mode & stat.S_IRGRP
    return mode | (mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 3 if readable else mode


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the object in a file; None when there is none, or anything else.

    Raises:
        OSError: it cannot be read now, for a reason that passes.
    """
    try:
        descriptor = open_regular(path)
    except OSError as error:
        if error.errno in TRANSIENT_ERRORS:
            raise
        return None
    try:
        data = os.read(descriptor, MAX_RECORD_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_RECORD_BYTES:
        return None
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by one with these bytes, so that a reader sees all of them or none.

    They are written to the file of the suffix .tmp beside it, which may be there already: space
    that was kept free is used.

    Raises:
        OSError: it could not be done; both are as they were, or .tmp is not of use.
    """
    temporary = path.with_suffix(".tmp")
    mode = closed_mode(path.parent, 0o600)
    descriptor = open_regular(temporary, os.O_WRONLY | os.O_CREAT, mode)
    try:
        if os.fstat(descriptor).st_nlink != 1:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), str(temporary))
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
    temporary.replace(path)
