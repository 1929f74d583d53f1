"""Who is told that a run, or a due time, is late or takes long. Pure."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from server.definition import Options
from server.models import Command
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


def decided_late(schedule_id: UUID, command: Command, due_at: datetime) -> Telling:
    """Return who is told that a due time was decided late."""
    due = f"schedule {schedule_id} was due at {due_at.isoformat()}"
    reason = f"{due}, and no server could decide it in time"
    return telling(Occasion.LATE, command.id, command.options, None, reason)
