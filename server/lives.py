"""The lives of a host: each process that holds its state directory is one, and known to servers.

    STATE_DIR/life    JSON: `lives`, the ids of those since the last one that servers heard, the
                      newest last; `place`, where the first of them held the lock; `age`, a number
                      that grows as long as one goes on

A state directory may be copied, with a machine's image, by a snapshot, by hand. Each copy is the
same host, and knows the runs up to then alone. What tells them apart: their processes' ids; the
place, which a copy does not have; and the age, which is less in one that was made before.
"""

import asyncio
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, TextIO
from uuid import uuid4

from server.errors import StartupError
from server.files import read_small
from server.keeper.processes import boot_id
from server.wire.keys import write_own
from server.wire.messages import Life

LIFE_FILE = "life"
MAX_REMEMBERED = 100
AGE_SECONDS = 5.0
"""Between two that are written: a copy is told from what has gone on since for so long."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Note:
    """What a state directory remembers."""

    lives: tuple[str, ...]
    place: str
    age: int


NOTHING = _Note((), "", 0)


class Lives:
    """The newest life of a host: that of the process which holds its state directory."""

    def __init__(self, path: Path, note: _Note, place: str) -> None:
        self._path = path
        self._note = note
        self._place = place
        self._heard = asyncio.Event()

    @classmethod
    def begin(cls, directory: Path, lock: TextIO) -> Self:
        """Begin the life of this process, which holds the lock of its state directory.

        Raises:
            StartupError: the directory cannot be written, and nobody knows whether it is a copy;
                or what it remembers cannot be read.
        """
        path = directory / LIFE_FILE
        before, place = _read(path), _place(lock)
        remembered = before.lives[:1] + before.lives[1:][-MAX_REMEMBERED:]
        # The place stays that of the first until one is heard here: the first may go on there.
        note = _Note((*remembered, uuid4().hex), before.place or place, before.age)
        try:
            _write(path, note)
        except OSError as error:
            if before.place != place:
                raise StartupError(f"{path} cannot be written: {error.strerror}.") from error
            # As one with a full disk: the one before is over, so this may go on as that one.
            logger.warning("%s cannot be written: %s", path, error.strerror)
            note = before
        return cls(path, note, place)

    @property
    def may_be_copy(self) -> bool:
        """Whether the life before may go on elsewhere, as where the directory was copied."""
        return self._note.place != self._place

    @property
    def id(self) -> str:
        """Which life this is."""
        return self._note.lives[-1]

    @property
    def age(self) -> int:
        """How old the state directory is, as it stands there."""
        return self._note.age

    @property
    def said(self) -> Life:
        """Return the life as it is told with hello."""
        return Life(
            id=self.id,
            before=self._note.lives[:-1],
            are_over=not self.may_be_copy,
            age=self._note.age,
        )

    def note_heard(self) -> None:
        """Note that servers know this life: those before are forgotten, here and on disk."""
        self._heard.set()

    def note_refused(self) -> None:
        """Note that another one has the lease: this one grows no older, until it is heard again.

        Else one that was set back with its machine's memory would become as old as it had been, and
        be taken for one that knows what was begun since.
        """
        self._heard.clear()

    async def run(self) -> None:
        """Grow older, forever; the owner cancels it. A disk that is slow or full keeps nobody."""
        while True:
            await self._heard.wait()
            await self.grow()
            await asyncio.sleep(AGE_SECONDS)

    async def grow(self) -> None:
        """Grow older once, as the one life that servers know; it counts when it is on disk."""
        older = _Note(self._note.lives[-1:], self._place, self._note.age + 1)
        try:
            await asyncio.to_thread(_write, self._path, older)
        except OSError as error:
            logger.debug("%s cannot be written: %s", self._path, error.strerror)
        else:
            self._note = older


def _place(lock: TextIO) -> str:
    """Return where a lock is: on this machine, since it was started, this very file.

    Whoever holds that lock knows that whoever held it before does no more (flock(2)).
    """
    found = os.fstat(lock.fileno())
    return f"{boot_id()} {found.st_dev} {found.st_ino}"


def _read(path: Path) -> _Note:
    """Return what is remembered: nothing where there is no such file, or none that can be used.

    Raises:
        StartupError: it cannot be read now: without it the runs of this host would be given up.
    """
    try:
        told = json.loads(read_small(path))
        note = _Note(tuple(map(str, told["lives"])), str(told["place"]), int(told["age"]))
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        raise StartupError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("%s cannot be used, and is written anew: %s", path, error)
        return NOTHING
    return note


def _write(path: Path, note: _Note) -> None:
    write_own(path, json.dumps(asdict(note)) + "\n")
