"""What is done with the open file of an output, whatever has become of its name."""

import asyncio
import errno
import os
import stat
from pathlib import Path

from server.keeper.trash import clear_flags

COPY_BYTES = 1024 * 1024  # then other runs have their turn
HOLE_BYTES = 1024 * 1024 * 1024
"""A smaller hole at the end counts as output; see `size_without_hole`."""
MAX_EXTENTS = 10_000
"""Pieces of an output that are searched for the hole, at most: a sparse file may have millions."""


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the file is the one at this name."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.fstat(descriptor))


def link(descriptor: int, path: Path) -> None:
    """Give the file a name again, which has another one left.

    Raises:
        OSError: it cannot be linked there.
    """
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        # That takes AT_SYMLINK_FOLLOW (linkat(2)), which os.link sets only with a `dir_fd`.
        os.link(
            f"/proc/self/fd/{descriptor}", path.name, src_dir_fd=directory, dst_dir_fd=directory
        )
    finally:
        os.close(directory)


def size_without_hole(descriptor: int) -> int:
    """Return the file's size in bytes, without a large hole at its end: nobody has written that.

    Somebody has lengthened it while no keeper was there to notice; to archive it would take hours.
    A file system that compresses may make holes of zeros that were written, but not so large ones.
    """
    size = os.fstat(descriptor).st_size
    end = 0
    for _ in range(MAX_EXTENTS):
        hole = os.lseek(descriptor, end, os.SEEK_HOLE) if end < size else size
        if size - hole < HOLE_BYTES:
            return size
        try:
            end = os.lseek(descriptor, hole, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return hole
            raise
    return size


def resize(descriptor: int, size: int) -> None:
    """Give the file this size in bytes, even if somebody has locked it.

    Raises:
        OSError: it cannot be changed now.
    """
    if os.fstat(descriptor).st_size != size:
        try:
            os.ftruncate(descriptor, size)
        except PermissionError:
            clear_flags(descriptor)
            os.ftruncate(descriptor, size)


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of the bytes at this offset.

    Raises:
        OSError: there is no room, or the disk fails.
    """
    left = memoryview(data)
    while left:
        count = os.pwrite(descriptor, left, offset)
        left, offset = left[count:], offset + count


async def copy(source: int, start: int, end: int, target: int, offset: int) -> None:
    """Copy the bytes from `start` to `end`, as far as there are, to this offset of another file.

    Raises:
        OSError: there is no room, or the disk fails.
    """
    while start < end and (data := os.pread(source, min(COPY_BYTES, end - start), start)):
        write_at(target, data, offset)
        start, offset = start + len(data), offset + len(data)
        await asyncio.sleep(0)  # other runs go on meanwhile
