"""What the doctor found: one line for each thing that was looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a thing is. A problem lets somebody in, or will; a warning is yours to weigh."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and where it is not well: what to do."""

    check: str
    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level:<8} {self.check}: {self.text}"
