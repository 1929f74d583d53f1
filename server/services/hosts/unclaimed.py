"""The runs that no host has yet: whichever server looks first releases, times and replaces them.

Nothing of them is in memory but which are to be released: all is a statement that any server may
make, and that has an effect once.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from server.errors import DatabaseUnavailableError
from server.keeper.failpoints import failpoint
from server.models import Run, RunEnd
from server.repositories.claims import ClaimRepository, Limited
from server.repositories.lines import Line
from server.repositories.turns import TurnRepository
from server.services.running import outcome
from server.services.running.live import RunView
from server.services.tasks import Retries, wait_for

LOOK_SECONDS = 2.0
"""Between two looks at runs that wait for their turn, or may be replaced."""

CLOCK_SECONDS = 30.0
"""The longest wait for a time: the clock may be set meanwhile."""

PATIENCE_SECONDS = 10.0
"""For so long waiting runs that other servers have, and that came before, have precedence."""

REST = 9
"""So many times as long as the last look took it is rested before one that a change elsewhere asks
for: where much changes and many wait, looks take a tenth of the time."""

RETRY_SECONDS = 1.0
LIMIT = 1000
"""Runs that are looked at; so many wait for nothing else than a worker, as a rule."""

NO_HOST = ""


logger = logging.getLogger(__name__)


class Waiting(NamedTuple):
    """A run waits in a pool; where it requires labels, not each of its workers may have it."""

    pool: str
    requires_labels: bool


class Unclaimed:
    """Looks after the runs that no host has.

    `on_ended` is called with each that ends here, `on_ready` for each that may be claimed.
    """

    def __init__(self, claims: ClaimRepository, turns: TurnRepository) -> None:
        self.on_ended: Callable[[RunView], None] = lambda _: None
        self.on_ready: Callable[[Waiting], None] = lambda _: None
        self._claims = claims
        self._turns = turns
        self._bell = asyncio.Event()
        self._some_wait = False
        self._rest_seconds = 0.0
        self._to_be_rung = False
        self._held: dict[UUID, Run] = {}
        self._passed: dict[UUID, float] = {}

    async def take(self, run: Run) -> Run:
        """Let workers have a run that is stored, and return it so.

        That its storing is known is known from here on: where it cannot be said to the database
        now, it is said until it was heard, and is no error of who asked for the run.
        """
        if run.held_at is not None:
            self._held[run.id] = run
            try:
                await self._release([run])
            except DatabaseUnavailableError as error:
                about = {"run": run.id}
                logger.warning("run waits for its release, retrying: %s", error, extra=about)
                self._bell.set()
        if run.waits:
            self._bell.set()
        elif run.held_at is None:
            self._tell_ready(run)
        return replace(run, held_at=None)

    async def end(self, run_id: UUID, end: RunEnd) -> RunView | None:
        """End a run that no host has; None: one has it by now, or it has ended."""
        return self._ended(await self._claims.end(run_id, end))

    async def end_held(self, run_id: UUID, end: RunEnd) -> RunView | None:
        """End a run of which no server knows that it is stored; None: one does."""
        return self._ended(await self._claims.end_held(run_id, end))

    def ring(self) -> None:
        """Look now."""
        self._bell.set()

    def note_change(self) -> None:
        """Look soon, if some wait: a run that has changed elsewhere may have left its place."""
        if self._some_wait and not self._to_be_rung:
            self._to_be_rung = True
            asyncio.get_running_loop().call_later(self._rest_seconds, self._ring_after_rest)

    async def run(self) -> None:
        """Look after them, forever; nothing is asked while there are none to be looked after."""
        retries = Retries("runs of pools wait for the database", seconds=RETRY_SECONDS)
        pause: float | None = None
        while True:
            await wait_for(self._bell, pause)
            pause = await retries.take(self._timed_step)
            self._some_wait = pause is not None

    async def step(self) -> float | None:
        """Do what is to be done now; return in how many seconds to look again, None: when rung.

        Raises:
            DatabaseUnavailableError: it may be done again.
        """
        self._bell.clear()
        await self._release([*self._held.values()])
        now = datetime.now(UTC)
        runs = await self._claims.limited(LIMIT)
        due: defaultdict[UUID, list[Limited]] = defaultdict(list)
        for run in runs:
            if run.is_due(now):
                due[run.command_id].append(run)
        if due:
            await self._give_turns(due, now)
        return _next(runs, now)

    async def _timed_step(self) -> float | None:
        began = time.monotonic()
        try:
            return await self.step()
        finally:
            self._rest_seconds = REST * (time.monotonic() - began)

    def _ring_after_rest(self) -> None:
        self._to_be_rung = False
        self._bell.set()

    async def _release(self, held: Sequence[Run]) -> None:
        if held:
            failpoint("run.releasing")
            await self._claims.release([run.id for run in held])
            for run in held:
                if self._held.pop(run.id, None) is not None and not run.waits:
                    self._tell_ready(run)

    async def _give_turns(self, due: Mapping[UUID, Sequence[Limited]], now: datetime) -> None:
        lines = await self._turns.look([*due], now)
        for line in lines:
            await self._replace(line, due[line.command_id])
        free = [line.command_id for line in lines if line.has_room]
        waiting = {run.run_id: run for one in free for run in due[one] if run.waits}
        if not waiting:
            return
        failpoint("turns.claiming")
        given = await self._turns.claim(free, [*waiting], NO_HOST, now, passed=self._patience(free))
        for command_id in free:
            if not any(run.waits and run.run_id not in given for run in due[command_id]):
                self._passed.pop(command_id, None)
        for run_id in given:
            self.on_ready(Waiting(waiting[run_id].pool, waiting[run_id].requires_labels))

    def _tell_ready(self, run: Run) -> None:
        if run.pool is not None:
            self.on_ready(Waiting(run.pool, bool(run.requires)))

    def _patience(self, commands: Iterable[UUID]) -> list[UUID]:
        """Return the commands of which others' runs had room for so long that they are passed."""
        clock = asyncio.get_running_loop().time()
        since = {one: self._passed.setdefault(one, clock) for one in commands}
        return [one for one, began in since.items() if clock - began > PATIENCE_SECONDS]

    async def _replace(self, line: Line, runs: Iterable[Limited]) -> None:
        """End those that the newest one of a command replaces; their hosts stop the others."""
        if line.newest is None:
            return
        newest = (line.newest.created_at, line.newest.run_id)
        replaced = {holder.run_id for holder in line.replaced}
        for run in runs:
            is_before = (run.created_at, run.run_id) < newest
            if (run.waits and is_before) or run.run_id in replaced:
                await self.end(run.run_id, outcome.replaced(line.newest.run_id))

    def _ended(self, run: Run | None) -> RunView | None:
        if run is None:
            return None
        view = RunView.stored(run)
        logger.info("run ended", extra={"run": run.id, "state": run.state, "exitcode": None})
        self.on_ended(view)
        return view


def _next(runs: Iterable[Limited], now: datetime) -> float | None:
    """Return when to look again: soon where some depend on others, or at the first time."""
    pauses = [
        LOOK_SECONDS
        if run.is_due(now) or run.not_before is None
        else min((run.not_before - now).total_seconds(), CLOCK_SECONDS)
        for run in runs
    ]
    return min(pauses, default=None)
