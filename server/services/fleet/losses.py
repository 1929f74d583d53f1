"""Runs that are given up while their host is away, by users and by the sweep."""

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from server.access import Act, Actor
from server.errors import HostNotAwayError, NoActiveRunError, TailrunError
from server.models import Run, RunState
from server.repositories.losses import ENDING_SECONDS, LossRepository
from server.repositories.runs import RunRepository
from server.services.access.audit import Audit
from server.services.events.events import Events
from server.services.metrics import Metrics
from server.services.running.live import RunView

NO_HOST = "No host has the run yet. Stop it instead."
THERE = "The run's host is not away. Stop the run instead: its host does that."
ENDING = (
    "The run's host is away and may be ending the run still, as another may begin it then. Ask"
    f" again in {ENDING_SECONDS:.0f} s."
)
UNKNOWN = "The run's host is none that others know of. Stop the run instead: it ends at once."

logger = logging.getLogger(__name__)


class Losses:
    """Gives up runs whose hosts are away, and tells of all that are; `on_ended`: so do others."""

    def __init__(
        self,
        losses: LossRepository,
        runs: RunRepository,
        audit: Audit,
        events: Events,
        metrics: Metrics,
    ) -> None:
        self.on_ended: Callable[[], None] = lambda: None
        self._losses = losses
        self._runs = runs
        self._audit = audit
        self._events = events
        self._metrics = metrics

    async def abandon(self, run_id: UUID, *, by: Actor) -> RunView:
        """End a run as lost whose host is away.

        Raises:
            RunNotFoundError: there is no such run.
            NoActiveRunError: the run has ended.
            HostNotAwayError: its host is there; or it may still be ending the run.
        """
        with self._audit.trying(Act.RUN_ABANDON, by, run_id=run_id):
            run = await self._losses.abandon(run_id, by=by)
            if run is None:
                raise await self._why_not(run_id)
        self.note([run])
        return RunView.stored(run)

    def note(self, lost: Sequence[Run]) -> None:
        """Tell of runs that were given up."""
        for run in lost:
            logger.warning("run was given up: %s", run.reason, extra={"run": run.id})
            self._metrics.runs_ended.labels(RunState.LOST).inc()
            self._events.run_told(RunView.stored(run))
        self.on_ended()

    async def _why_not(self, run_id: UUID) -> TailrunError:
        run = await self._runs.get(run_id)
        if run.state.final:
            return NoActiveRunError(f"The run has ended already ({run.state}).")
        if run.host is None:
            return HostNotAwayError(NO_HOST)
        host = (await self._losses.hosts()).get(run.host)
        if host is None:
            return HostNotAwayError(UNKNOWN)
        return HostNotAwayError(ENDING if host.away else THERE)
