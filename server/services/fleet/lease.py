"""Until when a host may claim runs, and how often it says that it is there. Pure."""

from dataclasses import dataclass

TIMEOUT_SECONDS = 2.0
"""So long a host waits for the answer to a beat."""

MAX_BEAT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease of so many seconds; each beat begins it anew.

    It outlasts four beats, each with its time-out: a host that goes on never loses it.
    """

    seconds: float

    @property
    def beat_seconds(self) -> float:
        """How long a host waits between two beats."""
        return min(self.seconds / 6, self.seconds / 4 - TIMEOUT_SECONDS, MAX_BEAT_SECONDS)
