"""What is told of runs and commands that changed: plain values, without scripts of runs."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from server.services.running.live import RunView
from server.services.views import CommandView


@dataclass(frozen=True, slots=True)
class RunChanged:
    """A run as it is now."""

    view: RunView

    @classmethod
    def of(cls, view: RunView) -> "RunChanged":
        """Tell of a run."""
        return cls(view.cut())

    @property
    def command_id(self) -> UUID:
        """The command whose run it is."""
        return self.view.run.command_id


@dataclass(frozen=True, slots=True)
class RunDeleted:
    """A run that is no more."""

    id: UUID
    command_id: UUID


@dataclass(frozen=True, slots=True)
class CommandChanged:
    """A command as it is now; `left` are the groups that it was in before."""

    view: CommandView
    left: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CommandDeleted:
    """A command that is no more, nor its runs; it was in the `groups`, moved from all but one."""

    id: UUID
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grown:
    """How much output a run has written."""

    id: UUID
    command_id: UUID
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Changes may be missing: what is listed is to be fetched anew."""


class FleetPart(StrEnum):
    """What may change of the workers: who is there and how each stands; what waits and runs."""

    WORKERS = "workers"
    POOLS = "pools"


@dataclass(frozen=True, slots=True)
class FleetChanged:
    """A part of what is told of workers is another now: it is to be fetched anew."""

    part: FleetPart


Change = RunChanged | RunDeleted | CommandChanged | CommandDeleted | FleetChanged

OfRun = RunChanged | RunDeleted | Grown
"""What is about a run, and is seen by whoever sees its command."""
