"""The active runs of this host: those that have a place, and the queue of those that wait."""

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from server.errors import LimitReachedError
from server.models import Run
from server.services.live import LiveRun


class ActiveRuns:
    """The runs that have not ended, and who of them has a place.

    There are `max_concurrent_runs` places. Who finds none waits in the queue: first come, first
    served. A run that was adopted has a place even beyond the bound, as it runs already.
    """

    def __init__(self, *, max_concurrent_runs: int, max_runs_per_command: int) -> None:
        self._max_concurrent_runs = max_concurrent_runs
        self._max_runs_per_command = max_runs_per_command
        self._runs: dict[UUID, LiveRun] = {}
        self._queue: deque[LiveRun] = deque()
        self._turn = asyncio.Event()
        self._closed = False

    def __iter__(self) -> Iterator[LiveRun]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def queued(self) -> int:
        """How many runs wait for a place."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """How many runs have a place."""
        return len(self._runs) - len(self._queue)

    @property
    def archive_lag_bytes(self) -> int:
        """How much output has been written and is not in the database yet."""
        return sum(live.view.output_bytes - live.run.output_bytes for live in self)

    def get(self, run_id: UUID) -> LiveRun | None:
        """Return the run if it is active here."""
        return self._runs.get(run_id)

    def of_command(self, command_id: UUID) -> list[LiveRun]:
        """Return the command's active runs, newest first."""
        found = [live for live in self if live.run.command_id == command_id]
        return sorted(found, key=_age, reverse=True)

    def admit(self, command_id: UUID) -> None:
        """Check that one more run of the command may be stored.

        Raises:
            LimitReachedError: the command has as many active runs as it may.
        """
        bound = self._max_runs_per_command
        if len(self.of_command(command_id)) >= bound:
            raise LimitReachedError(
                f"The command has {bound} active runs, the bound"
                " TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND; stop one or wait."
            )

    def add(self, run: Run) -> LiveRun:
        """Add a run, and give it a place."""
        live = LiveRun(run)
        self.put(live)
        return live

    def put(self, live: LiveRun) -> None:
        """Give a place to a run that runs already."""
        self._runs[live.run.id] = live

    def enqueue(self, run: Run) -> LiveRun:
        """Add a run at the end of the queue."""
        live = self.add(run)
        self.put_back(live)
        return live

    def remove(self, live: LiveRun) -> None:
        """Forget a run; its place is free."""
        self._runs.pop(live.run.id, None)
        if self._queue:
            self.wake()

    def is_queued(self, live: LiveRun) -> bool:
        """Whether the run waits for a place."""
        return live in self._queue

    @property
    def next(self) -> LiveRun | None:
        """The first of the queue, if there is a place for it."""
        if self._closed or not self._queue or self.running >= self._max_concurrent_runs:
            return None
        return self._queue[0]

    def take(self, live: LiveRun) -> None:
        """Take a run out of the queue, and give it a place."""
        self._queue.remove(live)

    def put_first(self, live: LiveRun) -> None:
        """Put a run whose place was of no use before all of the queue; `wake` when it may be."""
        self._queue.appendleft(live)

    def put_back(self, live: LiveRun) -> None:
        """Put a run at the end of the queue."""
        self._queue.append(live)
        self.wake()

    def put_in_order(self, live: LiveRun) -> None:
        """Put a run that was taken in vain where it was: before all that were stored later."""
        age = _age(live)
        later = (place for place, one in enumerate(self._queue) if _age(one) > age)
        self._queue.insert(next(later, len(self._queue)), live)
        self.wake()

    def wake(self) -> None:
        """Have the queue looked at: the first may have its turn."""
        self._turn.set()

    async def turn(self) -> None:
        """Wait until the queue is to be looked at."""
        await self._turn.wait()
        self._turn.clear()

    def close(self) -> None:
        """Give no place to any run of the queue any more."""
        self._closed = True


def _age(live: LiveRun) -> tuple[datetime, UUID]:
    return live.run.created_at, live.run.id
