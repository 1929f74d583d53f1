"""The tombstones: which runs have ended here lately, so that none of them is started again.

A run's spool is the token that it is started at most once, and goes with the run (spool.py). A
request to start it may come later still: it was under way, or is repeated by somebody who has not
heard yet. So what has ended is remembered, from before its end is recorded on.

    STATE_DIR/keeper/ended/<n>    eight bytes a run that has ended, the last of its id; zeros: room

The files are stretches of time, the newest one open. None but the newest STRETCHES is kept, each of
them PERIOD_SECONDS long at least, unless SIZE runs have ended in it: so a run is remembered for an
hour, or until 780,000 others have ended; and for as long as it has a spool. Nothing depends on a
clock that is set, or on how often the keeper was started. A new run's id has its last eight bytes
in common with one of a million that are remembered once in 10^13 starts.

Room on disk is taken when a run is started, as for its exit record: its end has a place on a full
disk. Nothing is synced, as in the spools: after a power failure whoever could still ask is gone.
"""

import logging
import os
import stat
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from server.keeper.files import open_regular
from server.keeper.trash import Trash, unlock

STRETCHES = 12
"""Of those that are closed."""

PERIOD_SECONDS = 300.0
SIZE = 65_536
"""Runs of a stretch, after which it is closed before its time."""

KEY_BYTES = 8
GROWTH = 512
"""Runs that room is taken for at a time: a block of the disk."""

logger = logging.getLogger(__name__)


class Tombstones:
    """The runs that have ended in a state directory, for an hour, and for as long as their spools.

    `spooled` returns the runs that have a spool. `size` and `period_seconds` bound a stretch.
    `unsaved` is what the keeper before could not write.
    """

    def __init__(
        self,
        state_dir: Path,
        spooled: Callable[[], Iterable[str]],
        *,
        unsaved: Iterable[int] = (),
        size: int = SIZE,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._directory = state_dir / "keeper" / "ended"
        self._trash = Trash(state_dir / "trash")
        self._spooled = spooled
        self._size = size
        self._period_seconds = period_seconds
        self._since = time.monotonic()
        self._closed: list[tuple[int, array[int]]] = []
        self._number = 1
        self._open: set[int] = set()
        self._file = -1
        self._count = self._room = 0
        self._saved = True
        unlock(self._directory)
        self._load()
        if missing := {key for key in unsaved if not self._has(key)}:
            self._open |= missing
            self._saved = False

    def __contains__(self, run_id: str) -> bool:
        """Whether the run has ended here, as far as that is remembered."""
        return self._has(_key(run_id))

    @property
    def unsaved(self) -> list[int]:
        """What a keeper after this one might not find on disk."""
        return [] if self._saved else sorted(self._open)

    def reserve(self, runs: int) -> None:
        """Take room on disk for the ends of so many runs, if there is any."""
        self._attempt(lambda: self._take_room(runs))

    def add(self, run_id: str) -> None:
        """Remember that a run ends; what cannot be written now is, by a later `check`."""
        key = _key(run_id)
        if not self._has(key):
            self._attempt(lambda: self._append(key))
            self._open.add(key)

    def check(self, runs: int) -> None:
        """Close a stretch whose time has come; write anew what is not on disk as it should be.

        `runs` may end from here on.
        """
        if not self._saved or (self._file >= 0 and self._moved()):
            self._attempt(lambda: self._rewrite(runs))
        elif self._due():
            self._attempt(lambda: self._close_stretch(runs))
        elif runs:
            self.reserve(runs)

    def _attempt(self, step: Callable[[], None]) -> None:
        """Do what changes a file; note if it cannot be done now, and log that once."""
        try:
            step()
        except OSError as error:
            if self._saved:
                logger.warning("which runs have ended cannot be noted on disk now: %s", error)
            self._saved = False

    def _take_room(self, runs: int) -> None:
        if self._file < 0:
            self._rewrite(runs)
        elif (needed := self._count + runs) > self._room:
            room = _rounded(needed)
            os.posix_fallocate(self._file, 0, room * KEY_BYTES)
            self._room = room

    def _append(self, key: int) -> None:
        self._take_room(1)
        os.pwrite(self._file, _bytes([key]), self._count * KEY_BYTES)
        self._count += 1

    def _has(self, key: int) -> bool:
        return key in self._open or any(_within(keys, key) for _, keys in self._closed)

    def _due(self) -> bool:
        over = time.monotonic() - self._since >= self._period_seconds
        return len(self._open) >= self._size or (over and bool(self._open))

    def _moved(self) -> bool:
        """Whether somebody has removed the open file, or put another one in its place."""
        with suppress(OSError):
            return not os.path.samestat(self._path(self._number).lstat(), os.fstat(self._file))
        return True

    def _close_stretch(self, runs: int) -> None:
        """Begin the next stretch, and forget the oldest if there are too many."""
        file, room = self._create(self._number + 1, [], runs)  # first, as there may be no space
        self._closed.append((self._number, array("Q", sorted(self._open))))
        self._number += 1
        self._open = set()
        self._since = time.monotonic()
        self._use(file, 0, room)
        while len(self._closed) > STRETCHES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Forget the oldest stretch, but for the runs of it that still have a spool."""
        number, keys = self._closed.pop(0)
        for run_id in self._spooled():
            if _within(keys, _key(run_id)):
                self.add(run_id)
        with suppress(OSError):  # what stays is too old at the next start as well
            self._path(number).unlink()

    def _load(self) -> None:
        for number in sorted(_numbers(self._directory)):
            keys = self._read(number)
            self._closed.append((number, array("Q", sorted(keys))))
            self._number = number + 1
        if self._closed and len(self._closed[-1][1]) < self._size:
            # It goes on, or a keeper that is started often would forget.
            self._number, keys = self._closed.pop()
            self._open = set(keys)

    def _read(self, number: int) -> "array[int]":
        """Return what is in a file; nothing where it cannot be read."""
        keys = array("Q")
        try:
            descriptor = open_regular(self._path(number))
            with open(descriptor, "rb") as file:  # noqa: PTH123  of a descriptor
                data = file.read(2 * self._size * KEY_BYTES)
        except OSError as error:
            logger.warning("runs that ended are forgotten: %s", error)
            return keys
        keys.frombytes(data[: len(data) // KEY_BYTES * KEY_BYTES])
        return array("Q", filter(None, keys))

    def _rewrite(self, runs: int) -> None:
        """Write everything into new files that is not on disk as it should be."""
        self._make_directory()
        for number, keys in self._closed:
            if not _is_regular(self._path(number)):
                file, _ = self._create(number, keys, 0)
                os.close(file)
        file, room = self._create(self._number, self._open, runs)
        self._use(file, len(self._open), room)
        self._saved = True

    def _use(self, file: int, count: int, room: int) -> None:
        former, self._file, self._count, self._room = self._file, file, count, room
        if former >= 0:
            os.close(former)

    def _create(self, number: int, keys: Iterable[int], runs: int) -> tuple[int, int]:
        """Make a file of these ends with room for further ones; return it, and its room in all."""
        path = self._path(number)
        temporary = path.with_suffix(".tmp")
        data = _bytes(keys)
        room = _rounded(len(data) // KEY_BYTES + runs)
        self._trash.take(temporary)  # of a keeper that was killed; it may have another name, too
        if not _is_regular(path):
            self._trash.take(path)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(file, 0, room * KEY_BYTES)
            with open(file, "wb", closefd=False) as whole:
                whole.write(data)
            temporary.replace(path)
        except BaseException:
            os.close(file)
            raise
        return file, room

    def _make_directory(self) -> None:
        if self._directory.is_symlink() or not self._directory.is_dir():
            self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._trash.take(self._directory)
            self._directory.mkdir(mode=0o700)

    def _path(self, number: int) -> Path:
        return self._directory / str(number)


def _key(run_id: str) -> int:
    return int(run_id[-17:].replace("-", ""), 16)


def _bytes(keys: Iterable[int]) -> bytes:
    return array("Q", keys).tobytes()


def _rounded(runs: int) -> int:
    return max(1, -(-runs // GROWTH)) * GROWTH


def _within(keys: "array[int]", key: int) -> bool:
    place = bisect_left(keys, key)
    return place < len(keys) and keys[place] == key


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _numbers(directory: Path) -> list[int]:
    try:
        return [int(name) for name in os.listdir(directory) if name.isdecimal()]  # noqa: PTH208
    except OSError:
        return []
