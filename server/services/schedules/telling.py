"""Who is told that a run, or a due time, is late or takes long. Pure."""

from enum import StrEnum
from uuid import UUID

from server.definition import Options
from server.notifications import Telling


class Occasion(StrEnum):
    """What is told."""

    LATE = "late"
    LONG = "long"


def telling(
    occasion: Occasion, command_id: UUID, options: Options, run_id: UUID | None, reason: str
) -> Telling:
    """Return what is told of a command to those targets that it names for such an occasion."""
    return Telling(
        command_id=command_id,
        run_id=run_id,
        occasion=occasion.value,
        targets=[notify.target for notify in options.notify if occasion in notify.on],
        details={"reason": reason},
    )
