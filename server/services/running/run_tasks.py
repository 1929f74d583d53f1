"""The tasks of single runs: a fault of one is its run's alone."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from server.services.faults import Faults
from server.services.running.active import ActiveRuns
from server.services.running.live import LiveRun
from server.services.tasks import Tasks


class RunTasks:
    """Starts what is done for one run, at once or again after a pause."""

    def __init__(self, active: ActiveRuns, tasks: Tasks, faults: Faults) -> None:
        self._active = active
        self._tasks = tasks
        self._faults = faults

    def start(
        self, live: LiveRun, what: str, work: Coroutine[Any, Any, Any]
    ) -> "asyncio.Task[Any]":
        """Do something for one run as a task; what it dies of is reported as that run's fault."""
        run_id = live.run.id
        on_fault = partial(self._faults.report, run_id, f"its task failed ({what})")
        return self._tasks.start_for_run(work, f"{what} {run_id}", on_fault)

    def start_again(
        self, live: LiveRun, what: str, error: Exception, step: Callable[[], object]
    ) -> None:
        """Postpone a step that failed for a run; it is dropped if the run ends meanwhile."""
        pause_seconds = self._faults.postpone(live, what, error)

        async def again() -> None:
            await asyncio.sleep(pause_seconds)
            if self._active.get(live.run.id) is live and not live.run.state.final:
                step()

        self.start(live, "retry", again())
