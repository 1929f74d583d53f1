"""What a state directory remembers of a host's lives, in memory: `server.lives` writes it down."""

import asyncio
from dataclasses import dataclass, replace
from itertools import count
from uuid import UUID

from server.wire.messages import Life

AGE_SECONDS = 5.0
PLACES = count(1)


@dataclass
class Directory:
    """A state directory: where it was made, and where it was held last."""

    place: int
    held_at: int
    lives: tuple[str, ...] = ()
    age: int = 0

    @classmethod
    def new(cls) -> "Directory":
        place = next(PLACES)
        return cls(place, place)

    def copied(self) -> "Directory":
        """Return a copy, which is at another place."""
        return replace(self, place=next(PLACES))


def id_of(number: int) -> str:
    """Return the id of a life by its number among all of a case."""
    return UUID(int=number).hex


class Living:
    """A life that a directory remembers."""

    def __init__(self, directory: Directory, number: int) -> None:
        self._directory = directory
        self.id = id_of(number)
        directory.lives = (*directory.lives, self.id)
        self._is_heard = False

    @property
    def age(self) -> int:
        return self._directory.age

    @property
    def said(self) -> Life:
        found = self._directory
        are_over = found.held_at == found.place
        return Life(id=self.id, before=found.lives[:-1], are_over=are_over, age=found.age)

    def note_heard(self) -> None:
        self._directory.lives = (self.id,)
        self._directory.held_at = self._directory.place
        self._is_heard = True

    def note_refused(self) -> None:
        self._is_heard = False

    async def run(self) -> None:
        """Grow older, forever, while servers hear it."""
        while True:
            await asyncio.sleep(AGE_SECONDS)
            self._directory.age += self._is_heard
