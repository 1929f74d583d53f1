"""The pump: moves what a run writes from its pipe to its output file, within bounds.

The bytes do not pass through Python: splice(2) moves them in the kernel. splice refuses a file
opened with O_APPEND, so the pump has the only descriptor that writes, at the end.
"""

import array
import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import stat
import termios
from collections.abc import Callable
from pathlib import Path

from server.keeper.output import OutputFiles
from server.keeper.spool import PIPE, Limits
from server.keeper.trash import Trash

PIPE_BYTES = 64 * 1024
LARGE_PIPE_BYTES = 1024 * 1024
FREE_CHECK_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


def free_bytes(directory: Path) -> int:
    """Return how much an unprivileged writer may still write there."""
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize


class Pump:
    """Moves one run's output; `on_bound` is called once, with the cause, when a bound is reached.

    From then on what comes is thrown away, so that the run can go on to its end.
    """

    def __init__(
        self, directory: Path, limits: Limits, trash: Trash, on_bound: Callable[[str], None]
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._on_bound = on_bound
        self.pipe = _open_pipe(directory / PIPE)
        try:
            self.output = OutputFiles(directory, limits, trash)
        except OSError:
            os.close(self.pipe)
            raise
        self._unchecked_bytes = 0
        self._full = self.output.closed
        self._large = False

    def start(self) -> None:
        """Move from now on whatever comes."""
        asyncio.get_running_loop().add_reader(self.pipe, self._move, LARGE_PIPE_BYTES)

    def drain(self) -> None:
        """Move what is in the pipe now: no more, or one who writes without end would hold us."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self.pipe, termios.FIONREAD, waiting)
        left = waiting[0]
        while left > 0 and (moved := self._move(left)):
            left -= moved

    def stop(self) -> None:
        """Move no more by itself."""
        asyncio.get_running_loop().remove_reader(self.pipe)

    def close(self) -> None:
        """Give the files back; what is in the pipe goes with its last holder."""
        if self.pipe >= 0:
            self.stop()
            os.close(self.pipe)
            self.output.close()
            self.pipe = -1

    def _move(self, count: int) -> int:
        """Move up to `count` bytes; return how many left the pipe."""
        if self._full:
            return self._discard(count)
        try:
            if (room := self.output.room(count)) == 0:
                self._reach("output_limit")
                return self._discard(count)
            moved = os.splice(self.pipe, self.output.descriptor, room, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            return 0
        except OSError as error:
            _log.warning("cannot write the output in %s: %s", self._directory, error)
            self._reach("disk_full")
            return self._discard(count)
        self.output.wrote(moved)
        self._check_free(moved)
        self._enlarge(moved)
        return moved

    def _discard(self, count: int) -> int:
        with contextlib.suppress(BlockingIOError):
            return len(os.read(self.pipe, min(count, PIPE_BYTES)))
        return 0

    def _check_free(self, moved: int) -> None:
        self._unchecked_bytes += moved
        if self._unchecked_bytes >= FREE_CHECK_BYTES:
            self._unchecked_bytes = 0
            if free_bytes(self._directory) < self._limits.min_free_bytes:
                self._reach("disk_full")

    def _enlarge(self, moved: int) -> None:
        """Make room for a run that fills its pipe (a full one may be half empty of bytes).

        EPERM: the user has too much in pipes already (pipe(7)); the small one serves as well.
        """
        if not self._large and moved >= PIPE_BYTES // 2:
            self._large = True
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, LARGE_PIPE_BYTES)

    def _reach(self, cause: str) -> None:
        if not self._full:
            self._full = True
            self._on_bound(cause)


def _open_pipe(path: Path) -> int:
    """Open a run's pipe; OSError: it is not there, or something else is."""
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a pipe", str(path))
