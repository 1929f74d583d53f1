"""Faults of single runs: a step that fails for one is reported, postponed and tried again.

What is done for one run may fail: its row, its spool, its records can hold what nobody foresaw.
That ends, or postpones, what is done for this run alone; the service and its other runs go on.
"""

import logging
from itertools import islice
from typing import Protocol
from uuid import UUID

from server.errors import TailrunError
from server.keeper.protocol import KeeperError, KeeperFullError, KeeperLeaseError
from server.models import Run
from server.services.metrics import Metrics

PAUSE_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before what failed for a run is tried again; the last one repeats."""

GIVEN_UP_PAUSE_SECONDS = 1.0
"""The longest pause once the run was asked to end: somebody waits for it."""

MAX_NAMED = 3
"""Postponed runs that are reported by name."""

logger = logging.getLogger(__name__)


class PostponableRun(Protocol):
    """An active run, as far as its faults need to know it."""

    run: Run
    """Its newest state."""

    fault: str | None
    """What fails for it while it is postponed."""

    attempts: int
    """How often in a row something has failed for it."""

    given_up: bool
    """Whether somebody asked it to end while it was postponed: then it may, without its output."""

    def mark_postponed(self, fault: str) -> None:
        """Count an attempt, and show users what fails."""

    def mark_resolved(self) -> None:
        """Show users that nothing fails any more."""


class Faults:
    """The postponed runs: what failed for them, and for how long they are left alone."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._postponed: dict[UUID, PostponableRun] = {}

    def postpone(self, live: PostponableRun, what: str, error: BaseException) -> float:
        """Report, in the run's `reason`, the log and the metrics, that `what` failed for a run.

        The log has it once, until something else fails. Returns the seconds until it is to be
        tried again.
        """
        text = f"{what}: {cause(error)}"
        if live.fault != text:
            log_fault(live.run.id, text, error)
        self._metrics.run_faults.inc()
        live.mark_postponed(text)
        self._postponed[live.run.id] = live
        pause = PAUSE_SECONDS[min(live.attempts, len(PAUSE_SECONDS)) - 1]
        return min(pause, GIVEN_UP_PAUSE_SECONDS) if live.given_up else pause

    def resolve(self, live: PostponableRun) -> None:
        """Report that what failed for a run has succeeded."""
        if self._postponed.pop(live.run.id, None) is not None:
            logger.info("run's fault resolved", extra={"run": live.run.id})
            live.mark_resolved()

    def forget(self, live: PostponableRun) -> None:
        """Postpone a run no more: it has ended, or is not ours."""
        self._postponed.pop(live.run.id, None)

    def report(self, run_id: UUID, what: str, error: BaseException) -> None:
        """Report, in the log and the metrics, what failed for a run and is not tried again here."""
        log_fault(run_id, f"{what}: {cause(error)}", error)
        self._metrics.run_faults.inc()

    def problem(self) -> str:
        """Say how many runs are postponed, and why the first of them are; `ok`: none is."""
        if not self._postponed:
            return "ok"
        first = islice(self._postponed.items(), MAX_NAMED)
        named = "; ".join(f"{run_id}: {live.fault}" for run_id, live in first)
        return f"{len(self._postponed)} postponed, among them {named}"


def cause(error: BaseException) -> str:
    """Say why something failed, without paths and addresses: everybody may read it."""
    if isinstance(error, TailrunError | KeeperFullError | KeeperLeaseError):
        return str(error).removesuffix(".")
    if isinstance(error, KeeperError):
        return "it cannot be asked now (the server's log has the rest)"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__} (the server's log has the rest)"


def log_fault(run_id: UUID | str, text: str, error: BaseException) -> None:
    """Log a run's fault; where it is none that was foreseen, with where it came from."""
    foreseen = isinstance(error, TailrunError | OSError | KeeperLeaseError)
    about = {"run": run_id}
    logger.warning(text, extra=about, exc_info=None if foreseen else error)
