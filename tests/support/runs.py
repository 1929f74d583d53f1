"""Runs that no database holds."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.models import Run, RunState


def a_run(state: RunState = RunState.QUEUED, *, command_id: UUID | None = None) -> Run:
    """Make a run that has just been stored."""
    now = datetime.now(UTC)
    return Run(
        id=uuid4(),
        command_id=command_id or uuid4(),
        state=state,
        created_at=now,
        start_time=now,
        script="true",
        epoch=1,
        host="host",
    )
