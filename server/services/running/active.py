"""The active runs of this host: those that have a place, and the queue of those that wait."""

import asyncio
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from uuid import UUID

from server.definition import Beyond
from server.errors import LimitReachedError
from server.models import Run
from server.services.running.aside import Aside
from server.services.running.intake import Intake
from server.services.running.live import LiveRun, Obstacle


class ActiveRuns:
    """The runs that have not ended, and which of them have a place.

    There are `max_concurrent_runs` places. A run that finds none waits in the queue: first come,
    first served. An adopted run has a place even beyond the limit, as it runs already. Those that
    wait for their turn or their time stand `aside`, and take neither a place nor one in the queue.

    `replaceable` counts, by their commands, those that a further start may replace. Many thousands
    may be queued: only `archive_lag_bytes` and iteration look at all runs.
    None gets a place while `may_start` returns False: this host may not start any.
    `on_change` is called with each run that changes, `on_gone` when one has gone: its place may be
    free. The `intake` knows those that have gone.
    """

    def __init__(self, *, max_concurrent_runs: int, max_runs_per_command: int) -> None:
        self._max_concurrent_runs = max_concurrent_runs
        self._max_runs_per_command = max_runs_per_command
        self.obstacle = Obstacle()
        self.on_change: Callable[[LiveRun], None] = lambda _: None
        self.on_gone: Callable[[], None] = lambda: None
        self.may_start: Callable[[], bool] = lambda: True
        self.intake = Intake()
        self._runs: dict[UUID, LiveRun] = {}
        self._by_command: defaultdict[UUID, dict[UUID, LiveRun]] = defaultdict(dict)
        # A run keeps its ticket, so that one that left the queue in vain returns to its old place.
        self._tickets: dict[UUID, int] = {}
        self._next_ticket = count()
        self._queue: list[int] = []
        self._waiting: dict[int, LiveRun] = {}
        self._turn = asyncio.Event()
        self.closed = False
        self.aside = Aside()
        self.replaceable: Counter[UUID] = Counter()

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
        return len(self._runs) - len(self._queue) - len(self.aside)

    @property
    def free(self) -> int:
        """How many more runs would be started at once; none while something keeps them back."""
        if self.closed or self.problem() != "ok" or not self.may_start():
            return 0
        return max(0, self._max_concurrent_runs - self.running - len(self._queue))

    def problem(self) -> str:
        """Say why no run of the queue can be started; `ok` when none waits, or for a place only."""
        return (self.obstacle.reason if self._queue else None) or "ok"

    @property
    def archive_lag_bytes(self) -> int:
        """How much output has been written and is not in the database yet."""
        return sum(live.view.output_bytes - live.run.output_bytes for live in self)

    def get(self, run_id: UUID) -> LiveRun | None:
        """Return the run if it is active here."""
        return self._runs.get(run_id)

    def of_command(self, command_id: UUID) -> list[LiveRun]:
        """Return the command's active runs, newest first."""
        found = self._by_command.get(command_id, {})
        return sorted(
            found.values(), key=lambda live: (live.run.created_at, live.run.id), reverse=True
        )

    def admit(self, command_id: UUID, stored: int = 0) -> None:
        """Check that one more run of the command may be stored.

        `stored` are its active runs of whatever host, where these are known.

        Raises:
            LimitReachedError: the command has as many active runs as it may.
        """
        bound = self._max_runs_per_command
        if max(len(self._by_command.get(command_id, ())), stored) >= bound:
            raise LimitReachedError(
                f"The command has {bound} active runs, the limit"
                " TAILRUN_MAX_ACTIVE_RUNS_PER_COMMAND; stop one or wait."
            )

    def add(self, run: Run) -> LiveRun:
        """Add a run, and give it a place."""
        live = LiveRun(run)
        self.insert(live)
        return live

    def insert(self, live: LiveRun) -> None:
        """Give a place to a run that runs already."""
        run = live.run
        live.obstacle = self.obstacle  # shared: what keeps one queued run back keeps all of them
        live.on_change = self._tell
        self._runs[run.id] = self._by_command[run.command_id][run.id] = live
        self._tickets[run.id] = next(self._next_ticket)
        if is_replaceable(run):
            self.replaceable[run.command_id] += 1
            self.aside.watch(run.command_id)

    def enqueue(self, run: Run) -> LiveRun:
        """Add a run at the end of the queue."""
        live = self.add(run)
        self.requeue(live)
        return live

    def set_aside(self, live: LiveRun) -> None:
        """Move a run from its place aside, until it is dequeued."""
        self.aside.add(live)
        live.mark_queued()
        self.notify()

    def remove(self, live: LiveRun) -> None:
        """Remove a run that is not queued; its place is free."""
        run = live.run
        if self._runs.pop(run.id, None) is not None:
            self.intake.note_gone(run.id)
            del self._tickets[run.id]
            of_command = self._by_command[run.command_id]
            del of_command[run.id]
            if not of_command:  # or each command that ever ran would stay in memory
                del self._by_command[run.command_id]
            if is_replaceable(run):
                self.replaceable -= Counter([run.command_id])
        self.aside.ring(run.command_id)
        if self._queue:  # else no run needs the place
            self.notify()
        self.on_gone()

    def _tell(self, live: LiveRun) -> None:
        self.on_change(live)

    def is_queued(self, live: LiveRun) -> bool:
        """Whether the run waits: for a place, or aside."""
        return self._tickets.get(live.run.id) in self._waiting or live in self.aside

    @property
    def next(self) -> LiveRun | None:
        """The first of the queue, if there is a place for it."""
        if self.closed or not self._queue or self.running >= self._max_concurrent_runs:
            return None
        if not self.may_start():
            return None
        return self._waiting[self._queue[0]]

    def dequeue(self, live: LiveRun) -> Callable[[LiveRun], None]:
        """Move a run from the queue, or from aside, to a place; return what moves it back."""
        if live in self.aside:
            self.aside.remove(live)
            return self.set_aside
        ticket = self._tickets[live.run.id]
        del self._waiting[ticket]
        del self._queue[bisect_left(self._queue, ticket)]  # it is sorted: tickets only rise
        return self.requeue

    def requeue(self, live: LiveRun) -> None:
        """Move a run from its place back into the queue, before all that came later."""
        ticket = self._tickets[live.run.id]
        self._waiting[ticket] = live
        insort(self._queue, ticket)
        live.mark_queued()
        self.notify()

    def notify(self) -> None:
        """Wake the dispatch: there may be a place for the first of the queue."""
        self._turn.set()

    def reopen(self) -> None:
        """Wake all who wait for a place: this host may start runs again."""
        self.notify()
        self.on_gone()

    async def wait_for_turn(self) -> None:
        """Wait until the queue or its places have changed."""
        await self._turn.wait()
        self._turn.clear()

    def close(self) -> None:
        """Give no place to a queued run from now on."""
        self.closed = True


def is_replaceable(run: Run) -> bool:
    """Return whether a run may be stopped for a further one, also of another server."""
    concurrency = run.options.concurrency
    return concurrency is not None and concurrency.beyond is Beyond.REPLACE
