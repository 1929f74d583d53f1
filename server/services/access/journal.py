"""Acts of this host that are not in the audit's table yet, in a file of the state directory.

What is to be on record before it is done cannot wait for a database that may be away. So its entry
is written here first, and is on disk when `append` returns. The file is never read while the
server works: what it holds is known. It is for the server after this one.
"""

import errno
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from server.access import AuditEntry
from server.keeper.files import open_regular
from server.services.access.entries import entry_in, record

RESERVE_BYTES = 256 * 1024
"""Kept allocated, for the stop of a run that has filled the disk."""

MAX_BYTES = 16 * 1024 * 1024
"""Some 30,000 entries. Beyond it nothing is journalled."""

END = b"\0"
"""Ends what counts: behind it there may be older entries, whose keys are in the table already."""

logger = logging.getLogger(__name__)


class Journal:
    """The file; its methods wait for the disk, and one is called at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0

    @property
    def size(self) -> int:
        """How many bytes of entries it holds."""
        return self._size

    def open(self) -> list[AuditEntry]:
        """Make the file, or read what it holds; what is no entry is left out, and logged.

        Raises:
            OSError: it cannot be read.
        """
        descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        try:
            content = os.pread(descriptor, MAX_BYTES, 0).partition(END)[0]
            with suppress(OSError):  # then a full disk is one where no run can be stopped
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _sync_directory(self._path.parent)
        self._size = content.rfind(b"\n") + 1  # a line that a crash has cut is written over
        return [*self._entries(content[: self._size])]

    def append(self, entries: Iterable[AuditEntry]) -> None:
        """Write entries, and wait until the disk has them.

        Of two with one key the later counts.

        Raises:
            OSError: it cannot be done, or there are too many; nothing was added.
        """
        added = b"".join(map(record, entries))
        if self._size + len(added) > MAX_BYTES:
            raise OSError(errno.EFBIG, "the journal of the audit is full", str(self._path))
        descriptor = open_regular(self._path, os.O_WRONLY | os.O_CREAT)
        try:
            if os.fstat(descriptor).st_size < self._size:  # somebody has removed it, or cut it
                self._size = 0
            # From the last END on: what an append that failed has left is written over.
            _write(descriptor, added + END, self._size)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._size += len(added)

    def replace(self, entries: Sequence[AuditEntry]) -> None:
        """Have these entries in it, and no others.

        Killed meanwhile, it holds all that it held before or these; entries are added to the table
        once, so more of them do no harm.

        Raises:
            OSError: it cannot be done; all that it held counts still.
        """
        kept = b"".join(map(record, entries))
        if not kept:
            self._clear()
            return
        temporary = self._path.with_suffix(".tmp")
        descriptor = open_regular(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.posix_fallocate(descriptor, 0, max(RESERVE_BYTES, len(kept) + len(END)))
            _write(descriptor, kept + END, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(self._path)
        _sync_directory(self._path.parent)
        self._size = len(kept)

    def _clear(self) -> None:
        descriptor = open_regular(self._path, os.O_WRONLY | os.O_CREAT)
        try:
            _write(descriptor, END, 0)
            if os.fstat(descriptor).st_size > RESERVE_BYTES:
                os.ftruncate(descriptor, RESERVE_BYTES)
        finally:
            os.close(descriptor)
        self._size = 0

    def _entries(self, content: bytes) -> Iterable[AuditEntry]:
        for line in content.splitlines():
            try:
                yield entry_in(line)
            except ValueError:
                logger.warning("a line of %s is no entry of the audit, and is left out", self._path)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
