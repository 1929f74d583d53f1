"""What the Archiver knows of a run that it follows, and what it says of how that ended."""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from server.models import RunEnd
from server.services.faults import PostponableRun


class FollowedRun(PostponableRun, Protocol):
    """An active run, as far as the archive needs it: its position, and who hears of progress."""

    def mark_archived(self, output_bytes: int, output_lines: int) -> None:
        """Note how far the run's archive reaches."""

    def mark_ended(self, end: RunEnd) -> None:
        """Note the run's end, once it is stored."""


EndOf = Callable[[int, str | None], RunEnd]
"""Tells how a run whose log has ended ended: the offset up to which its output is stored, and why
it is not stored any further, where its output is longer than that."""


class Followed(Enum):
    """How the following of a run ended."""

    ENDED = "the run has ended, and all of it is stored"
    TAKEN = "another server owns the run now"
    ENDED_ELSEWHERE = "somebody else has ended it in the database"
    DELETED = "its row was deleted"
