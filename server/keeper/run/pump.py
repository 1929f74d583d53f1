"""The pump: moves what a run writes from its pipe to its output file, within bounds.

The bytes do not pass through Python: splice(2) moves them in the kernel. splice refuses a file
opened with O_APPEND, so the pump has the only descriptor that writes, at the end.

What a loud run writes beside others is moved in a thread of a low priority, for all runs that are
loud: the loop would be busy for a millisecond with each megabyte, and the kernel would let a
process that is busy all the time wait. So a quiet run's line finds the loop idle, whatever others
write, and however slow the disk takes it. The thread has nothing but a splice(2) to do; the loop
keeps the accounts. A run that is alone has nobody to keep waiting: the loop moves what it writes,
as to hand each megabyte over and back takes half as much of a processor again.
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
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from server.keeper.handover import Descriptors
from server.keeper.records import Limits
from server.keeper.run.output import OutputFiles
from server.keeper.spool import PIPE
from server.keeper.trash import Trash

PIPE_BYTES = 64 * 1024  # of a new pipe (pipe(7))
LARGE_PIPE_BYTES = 1024 * 1024  # the most that every user may ask for (pipe-max-size)
FREE_CHECK_BYTES = 16 * 1024 * 1024  # output between two statvfs(2)
LOUD_BYTES = PIPE_BYTES // 2
"""A run that has so much in its pipe is loud; what it has less of is moved at once."""

NICENESS = 10

logger = logging.getLogger(__name__)


def free_bytes(directory: Path) -> int:
    """Return how much an unprivileged writer may still write there."""
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize


def loud_mover() -> Executor:
    """Return where the output of loud runs is moved; its thread is started when there is one."""
    return ThreadPoolExecutor(1, "loud", partial(os.nice, NICENESS))


class Pump:
    """Moves one run's output; `on_bound` is called once, with the cause, when a bound is reached.

    From then on what comes is thrown away, so that the run can go on to its end. `mover` is that of
    `loud_mover`; it is left alone while `is_sole` says that there is no other run.
    """

    def __init__(
        self,
        directory: Path,
        limits: Limits,
        trash: Trash,
        on_bound: Callable[[str], None],
        mover: Executor,
        is_sole: Callable[[], bool],
        handed: Descriptors | None = None,
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._on_bound = on_bound
        self.pipe = _open_pipe(directory / PIPE) if handed is None else handed.pipe
        try:
            self.output = OutputFiles(directory, limits, trash, handed)
        except OSError:
            os.close(self.pipe)
            raise
        self._unchecked_bytes = 0
        self._full = self.output.closed
        self._large = False
        self._mover = mover
        self._is_sole = is_sole
        self._moving: asyncio.Future[int] | None = None
        self._started = False
        self._closed = False
        self._must_mend = False

    @property
    def moving(self) -> bool:
        """Whether the thread is moving output that is not accounted for yet."""
        return self._moving is not None

    def start(self) -> None:
        """Move what comes from now on."""
        self._started = True
        asyncio.get_running_loop().add_reader(self.pipe, self._ready)

    async def settle(self) -> None:
        """Wait until the thread moves nothing; before the accounts must be right."""
        while self._moving is not None:
            await asyncio.wait([self._moving])

    def drain(self) -> None:
        """Drain only what the pipe holds now."""
        # A process that never stops writing must not delay the run's end.
        left = self._waiting()
        while left > 0 and (moved := self._move(left)):
            left -= moved

    def stop(self) -> None:
        """Move no more by itself; what is under way in the thread goes on."""
        self._started = False
        asyncio.get_running_loop().remove_reader(self.pipe)

    def mend(self) -> None:
        """Mend the output, now or when what is under way has come through; see OutputFiles."""
        # While the thread moves something, the size is not the one that the accounts tell.
        self._must_mend = self.moving
        if not self._must_mend:
            self.output.mend()

    def descriptors(self) -> Descriptors:
        """Return the open files, with the output as long as was written; see OutputFiles."""
        assert not self.moving, "the output grows while its files are handed over"
        return self.output.descriptors(self.pipe)

    def close(self) -> None:
        """Close the files; what is left in the pipe is lost with its last holder."""
        if not self._closed:
            self.stop()
            self._closed = True
            if not self.moving:
                self._release()

    def _release(self) -> None:
        os.close(self.pipe)
        self.output.close()
        self.pipe = -1

    def _waiting(self) -> int:
        """Return how many bytes are in the pipe."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self.pipe, termios.FIONREAD, waiting)
        return waiting[0]

    def _ready(self) -> None:
        """Move what is in the pipe: little, or a sole run's, at once; much in the thread."""
        if self._is_sole():
            self._move(LARGE_PIPE_BYTES)
            return
        if self._full or self._waiting() < LOUD_BYTES:
            self._move(LOUD_BYTES)
            return
        if (room := self._room(LARGE_PIPE_BYTES)) == 0:
            return
        # Not watched meanwhile: the thread alone moves, and `_moved` watches again.
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.pipe)
        self._moving = loop.run_in_executor(self._mover, self._splice, room)
        self._moving.add_done_callback(self._moved)

    def _moved(self, moving: "asyncio.Future[int]") -> None:
        """Keep the accounts of what the thread has moved, and have more of it moved."""
        self._moving = None
        self._account(moving.result)
        if self._closed:
            self._release()
            return
        if self._must_mend:
            with contextlib.suppress(OSError):  # the next look is a second away
                self.mend()
        if self._started:
            asyncio.get_running_loop().add_reader(self.pipe, self._ready)

    def _move(self, count: int) -> int:
        """Move up to `count` bytes; return how many left the pipe, or were thrown away."""
        room = 0 if self._full else self._room(count)
        moved = self._account(lambda: self._splice(room)) if room else 0
        if not self._full:
            return moved
        with contextlib.suppress(BlockingIOError):
            return len(os.read(self.pipe, min(count, PIPE_BYTES)))
        return 0

    def _room(self, count: int) -> int:
        """Return how many of so many bytes may be moved; 0 when a bound is reached."""
        try:
            room = self.output.room(count)
        except OSError as error:
            self._fail(error)
            return 0
        if room == 0:
            self._reach("output_limit")
        return room

    def _splice(self, count: int) -> int:
        return os.splice(self.pipe, self.output.descriptor, count, flags=os.SPLICE_F_NONBLOCK)

    def _account(self, splice: Callable[[], int]) -> int:
        """Keep the accounts of a splice(2), which returned how many bytes it moved, or failed."""
        try:
            moved = splice()
        except BlockingIOError:
            return 0
        except OSError as error:
            self._fail(error)
            return 0
        self.output.wrote(moved)
        self._unchecked_bytes += moved
        if self._unchecked_bytes >= FREE_CHECK_BYTES:
            self._unchecked_bytes = 0
            if free_bytes(self._directory) < self._limits.min_free_bytes:
                self._reach("disk_full")
        if not self._large and moved >= LOUD_BYTES:
            self._enlarge()
        return moved

    def _fail(self, error: OSError) -> None:
        logger.warning("run %s: stopped: output not written: %s", self._directory.name, error)
        self._reach("disk_full")

    def _enlarge(self) -> None:
        """Make room for a run that fills its pipe (a full one may be half empty of bytes)."""
        self._large = True
        # EPERM: the user has too much in pipes already (pipe(7)); the small one serves as well.
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, LARGE_PIPE_BYTES)

    def _reach(self, cause: str) -> None:
        if not self._full:
            self._full = True
            self._on_bound(cause)


def _open_pipe(path: Path) -> int:
    """Open a run's pipe.

    Raises:
        OSError: it is not there, or something else is.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a pipe", str(path))
