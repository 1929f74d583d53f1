"""The trash: where what is to be removed goes first, whatever a run has made of it.

A directory is moved here by one rename, which is quick and done or not done. Its entries are
removed one by one; a directory among them is moved up beside it first. So no depth is too deep, no
link is followed, and no file system that somebody mounted below is entered: what something is
mounted on cannot be renamed (EBUSY, rename(2)). What cannot be removed stays, is logged once, and
is tried again by the next `empty`.
"""

import array
import fcntl
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

GET_FLAGS = 0x80086601
SET_FLAGS = 0x40086602
LOCKING_FLAGS = 0x10 | 0x20
"""FS_IMMUTABLE_FL and FS_APPEND_FL; the calls are FS_IOC_GETFLAGS and -SETFLAGS (ioctl_iflags(2)).
"""

MAX_REPORTED = 20
"""Things that stay and are logged, each once; the log is not filled with more."""

logger = logging.getLogger(__name__)


class Trash:
    """The trash in the directory `root`, on the file system of what is moved there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._reported: set[str] = set()

    def take(self, path: Path) -> str | None:
        """Move what is there here, and return its name here; None when nothing is there.

        Raises:
            OSError: it cannot be moved, not even after it was unlocked.
        """
        if self.root.is_symlink():
            self.root.unlink()  # where a link leads is not ours
        self.root.mkdir(mode=0o700, exist_ok=True)
        name = _new_name()
        try:
            try:
                path.rename(self.root / name)
            except PermissionError:
                unlock(path)
                unlock(path.parent)
                path.rename(self.root / name)
        except FileNotFoundError:
            return None
        return name

    def remove(self, name: str) -> None:
        """Remove something that was taken, and all that is in it; what stays is logged once."""
        try:
            root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            self._report(name, error)
            return
        waiting = [name]
        try:
            while waiting:
                self._remove(root, waiting.pop(), waiting)
        finally:
            os.close(root)

    def empty(self) -> None:
        """Remove all that is here."""
        if self.root.is_symlink():
            return
        with suppress(OSError):
            for name in os.listdir(self.root):  # noqa: PTH208
                self.remove(name)

    def _remove(self, root: int, name: str, waiting: list[str]) -> None:
        """Remove one thing; what it has of directories is put beside it, and waits."""
        try:
            if not _unlink(root, name):
                _clear(root, name, waiting)
                os.rmdir(name, dir_fd=root)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._report(name, error)

    def _report(self, name: str, error: OSError) -> None:
        if name not in self._reported and len(self._reported) < MAX_REPORTED:
            self._reported.add(name)
            logger.warning("not removed, trying again later: %s: %s", self.root / name, error)


def unlock(path: Path | str, parent: int | None = None) -> None:
    """Take from a file or directory of ours what keeps its owner from changing it.

    The modes of a directory, and the flags that root sets (chattr(1)); not those of a file that has
    another name elsewhere. What cannot be done is left. `parent` is the descriptor of the directory
    that a relative path starts at.
    """
    with suppress(OSError):
        handle = os.open(path, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent)
        try:
            facts = os.fstat(handle)
            directory = stat.S_ISDIR(facts.st_mode)
            if directory or (stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1):
                again = f"/proc/self/fd/{handle}"
                _clear_flags(again)
                if directory and facts.st_mode & stat.S_IRWXU != stat.S_IRWXU:
                    Path(again).chmod(0o700)
                    _clear_flags(again)  # it could not be opened before
        finally:
            os.close(handle)


def clear_flags(descriptor: int) -> None:
    """Take the flags from an open file that keep it from being changed; if it has any."""
    with suppress(OSError):
        flags = array.array("i", [0])
        fcntl.ioctl(descriptor, GET_FLAGS, flags)
        if flags[0] & LOCKING_FLAGS:
            flags[0] &= ~LOCKING_FLAGS
            fcntl.ioctl(descriptor, SET_FLAGS, flags)


def _clear_flags(path: str) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            clear_flags(descriptor)
        finally:
            os.close(descriptor)


def _new_name() -> str:
    return os.urandom(12).hex()


def _unlink(parent: int, name: str) -> bool:
    """Remove what is no directory; False when it is one."""
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        return False
    except PermissionError:
        unlock(name, parent)
        unlock(".", parent)
        try:
            os.unlink(name, dir_fd=parent)
        except IsADirectoryError:
            return False
    return True


def _clear(root: int, name: str, waiting: list[str]) -> None:
    """Empty a directory of the trash: remove its files, and move its directories beside it.

    One entry that cannot be removed does not keep the others.

    Raises:
        OSError: the first of its kind.
    """
    directory = _open_directory(root, name)
    problem: OSError | None = None
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    if not _unlink(directory, entry.name):
                        waiting.append(_move_up(directory, entry.name, root))
                except FileNotFoundError:
                    pass
                except OSError as error:
                    problem = problem or error
    finally:
        os.close(directory)
    if problem is not None:
        raise problem


def _open_directory(root: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=root)
    except PermissionError:
        unlock(name, root)
        return os.open(name, flags, dir_fd=root)


def _move_up(directory: int, name: str, root: int) -> str:
    moved = _new_name()
    try:
        os.rename(name, moved, src_dir_fd=directory, dst_dir_fd=root)
    except PermissionError:
        unlock(name, directory)
        unlock(".", directory)
        os.rename(name, moved, src_dir_fd=directory, dst_dir_fd=root)
    return moved
