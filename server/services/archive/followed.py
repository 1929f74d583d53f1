"""What the Archiver knows of a run that it follows, and how the following can end."""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from server.models import RunEnd
from server.services.faults import PostponableRun


class FollowedRun(PostponableRun, Protocol):
    """An active run, as far as the archive needs it: its position, and its progress."""

    def mark_archived(self, output_bytes: int, output_lines: int) -> None:
        """Note how far the run's archive reaches."""

    def mark_ended(self, end: RunEnd) -> None:
        """Note the run's end, once it is stored."""


EndOf = Callable[[int, str | None], RunEnd]
"""Returns how a run ended whose log has ended. It takes the offset up to which the output is
stored, and the reason why the rest is not stored; None where there is no rest."""


class Followed(Enum):
    """How the following of a run ended."""

    ENDED = "the run has ended, and all of it is stored"
    TAKEN = "another server owns the run now"
    ENDED_ELSEWHERE = "somebody else has ended it in the database"
    GIVEN_UP = "it was given up while this host was away"
    DELETED = "its row was deleted"
