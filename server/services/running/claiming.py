"""The Claiming: has a host claim the runs that wait for a worker of its pools."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from server.errors import DatabaseUnavailableError
from server.keeper.failpoints import failpoint
from server.models import Run, RunState
from server.services.ledger.ledger import Ledger
from server.services.running.active import ActiveRuns
from server.services.running.runner import Runner
from server.services.tasks import Retries, wait_for

LOOK_SECONDS = 2.0
"""Between two looks for runs that nobody here was told of."""

AT_ONCE = 16
"""Runs that are claimed at a time, and started together before the next are: others may be idle."""

FIRST_RETRY_SECONDS, RETRY_SECONDS = 0.1, 1.0
"""Between two attempts where none can be claimed, at first and at most: whoever is asked is back
at once, mostly, or away for long."""

ASK_AGAIN_SECONDS = (60.0, 600.0, 3600.0)
"""After a lost answer: what it was the answer to may have come through later, as where whoever was
asked stood still. Nobody else would ever start what it claimed."""

Claim = Callable[[int], Awaitable[Sequence[Run]]]
"""Makes up to so many runs the host's own, and returns them; as the ledger raises."""


class Claiming:
    """Claims runs for as long as there are places for them, and starts them.

    `look_seconds` returns when to look next where nobody rings.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        ledger: Ledger,
        active: ActiveRuns,
        runner: Runner,
        look_seconds: Callable[[], float] = lambda: LOOK_SECONDS,
    ) -> None:
        self._claim = claim
        self._ledger = ledger
        self._active = active
        self._runner = runner
        self._look_seconds = look_seconds
        self._bell = asyncio.Event()
        self._under_way = asyncio.Lock()
        self._is_full = False
        self._unheard = False  # whether an answer was lost, and with it perhaps runs of ours
        self._ask_again_at: list[float] = []

    def ring(self) -> None:
        """Look now: there may be a run to claim."""
        self._bell.set()

    def note_gone(self) -> None:
        """Look now, if there was no place before: a run has left its own."""
        if self._is_full:
            self._bell.set()

    async def settled(self) -> None:
        """Wait until what is being claimed now is among the active runs."""
        async with self._under_way:
            return

    async def run(self) -> None:
        """Claim runs, forever; the owner cancels it."""
        what = "no runs can be claimed now"
        retries = Retries(what, seconds=RETRY_SECONDS, first_seconds=FIRST_RETRY_SECONDS)
        # What this host was before may have asked for runs as it died, and get them yet.
        self._ask_again_at = _later()
        while True:
            self._bell.clear()
            pause = self._look_seconds()
            try:
                more = await self.step()
                retries.over()
                if more:
                    continue
            except DatabaseUnavailableError as error:
                pause = retries.pause_after(error)
            await wait_for(self._bell, pause)  # so a ring has it tried again at once

    async def step(self) -> bool:
        """Claim as many as there are places for; return whether there may be more.

        Raises:
            DatabaseUnavailableError: none may have been claimed, or the answer was lost.
        """
        async with self._under_way:
            await self._take_in_unheard()
            asked = min(self._active.free, AT_ONCE)
            self._is_full = not asked
            if not asked:
                return False
            self._unheard = True
            runs = await self._claim(asked)
            failpoint("run.claimed")
            self._unheard = False
            await asyncio.gather(*map(self._runner.dispatch, runs))
            return len(runs) == asked

    async def _take_in_unheard(self) -> None:
        """Take in what was claimed by a statement whose answer was lost.

        Now, and again when such a statement has hardly been under way any longer.
        """
        later = [at for at in self._ask_again_at if at > _now()]
        if not self._unheard and later == self._ask_again_at:
            return
        for run in await self._ledger.active():
            if run.state is RunState.QUEUED and run.pool is not None:
                await self._runner.dispatch(run)
        if self._unheard:
            later = _later()
        self._ask_again_at, self._unheard = later, False


def _later() -> list[float]:
    return [_now() + seconds for seconds in ASK_AGAIN_SECONDS]


def _now() -> float:
    return asyncio.get_running_loop().time()
