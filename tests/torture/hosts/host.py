"""A host of a torture: a server or a worker that a supervisor keeps, its keeper, its lines."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress

from server.keeper import processes
from tests.support.service import Service
from tests.torture.hosts.line import Line
from tests.torture.keeper_watch import KeeperWatch
from tests.torture.oracle import History, Interval
from tests.torture.server import Server
from tests.torture.site import DATABASE_AWAY, EX_CONFIG, RETRY_SECONDS
from tests.torture.tally import Tally

FOREVER_SECONDS = 1e6

KEEPER_AWAY = "tailrun: The keeper could not be started"
KEEPER_SECONDS = 15.0
"""A start that found no keeper has waited for one for less than that."""


@contextmanager
def noted(intervals: list[Interval]) -> Iterator[None]:
    """Note the time that passes."""
    begun = Interval(time.time(), float("inf"))
    intervals.append(begun)
    try:
        yield
    finally:
        intervals.remove(begun)
        intervals.append(Interval(begun.start, time.time()))


class Host:
    """A state directory, the process on it, and the lines from there.

    `history` is what became of its keepers; `away`, when nobody attended it. `unheard` is when
    servers cannot have heard of it, `troubles` when anything was done to it: one thing at a time,
    by whoever has it `busy`.
    """

    def __init__(
        self, place: Service, arguments: Sequence[str], tally: Tally, nats: Line, database: Line
    ) -> None:
        self.name = place.state_dir.name
        self.state_dir = place.state_dir
        self.log = place.state_dir.parent / f"{self.name}.log"
        self.tally = tally
        self.nats = nats
        self.database = database
        self.history = History()
        self.keeper = KeeperWatch(self.state_dir, self.history, self.attended)
        self.away = [Interval(time.time(), float("inf"))]
        self.unheard: list[Interval] = []
        self.troubles: list[Interval] = []
        self.busy = asyncio.Lock()
        self.serving = asyncio.Event()
        self._place = place
        self._arguments = arguments
        self._process: Server | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()

    async def address(self) -> str:
        """Wait until it serves, and return its address."""
        while not self.serving.is_set():
            await self.serving.wait()
        assert self._process is not None
        assert self._process.address is not None
        return self._process.address

    def attended(self, start: float, end: float) -> bool:
        """Whether its process served all the time from `start` to `end`, and was not frozen."""
        return not any(one.overlaps(start, end) for one in self.away)

    async def keep(self) -> None:
        """Keep its process, as a supervisor does; the owner cancels this."""
        while True:
            await self._wanted.wait()
            process = await Server.spawn(self._place.environment, self.log, "", *self._arguments)
            self._process = process
            if not self._wanted.is_set():
                await process.kill()
            if await process.serves(None):
                self._serve()
            await process.ended(FOREVER_SECONDS)
            self._leave()
            self._judge_end(process)
            await asyncio.sleep(RETRY_SECONDS)

    async def end(self) -> None:
        """Leave no process of it, frozen or not; its supervisor has ended."""
        if self._process is not None:
            await self._process.kill()
        if self.keeper.pid is not None:
            _signal([self.keeper.pid], signal.SIGCONT)
        await self._place.end_keeper()

    async def kill(self, seconds: float) -> None:
        """SIGKILL its process; nobody starts another one for so long."""
        self._wanted.clear()
        with self.unheard_meanwhile():
            self._leave()
            if self._process is not None:
                await self._process.kill()
            await asyncio.sleep(seconds)
        self._wanted.set()

    async def kill_with_keeper(self, seconds: float) -> None:
        """SIGKILL all of it but its runs."""
        self.kill_keeper()
        await self.kill(seconds)

    def kill_keeper(self) -> None:
        """SIGKILL its keeper, if there is one."""
        if self.keeper.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.keeper.pid, signal.SIGKILL)

    async def freeze(self, seconds: float) -> None:
        """Stop its process where it is, for so long."""
        await self._freeze(() if self._process is None else (self._process.pid,), seconds)

    async def suspend(self, seconds: float) -> None:
        """Stop all of its processes where they are, those of its runs too, for so long."""
        pids = [] if self._process is None else [self._process.pid]
        if self.keeper.pid is not None:
            pids += processes.with_descendants([self.keeper.pid])
        await self._freeze(pids, seconds)

    async def freeze_keeper(self, seconds: float) -> None:
        """Stop its keeper where it is, for so long."""
        pid = self.keeper.pid
        if pid is not None:
            _signal([pid], signal.SIGSTOP)
            await asyncio.sleep(seconds)
            _signal([pid], signal.SIGCONT)

    def unheard_meanwhile(self) -> AbstractContextManager[None]:
        """Note that no server can hear of it."""
        return noted(self.unheard)

    async def _freeze(self, pids: Sequence[int], seconds: float) -> None:
        served = self.serving.is_set()
        self._leave()
        _signal(pids, signal.SIGSTOP)
        with self.unheard_meanwhile():
            await asyncio.sleep(seconds)
        _signal(pids, signal.SIGCONT)
        if served and self._process is not None and self._process.exit_status is None:
            self._serve()

    def _serve(self) -> None:
        self.away[-1] = Interval(self.away[-1].start, time.time())
        self.serving.set()

    def _leave(self) -> None:
        if self.serving.is_set():
            self.serving.clear()
            self.away.append(Interval(time.time(), float("inf")))

    def _troubled(self) -> bool:
        """Whether something was done to it while a keeper was waited for."""
        now = time.time()
        return any(one.overlaps(now - KEEPER_SECONDS, now) for one in self.troubles)

    def _judge_end(self, process: Server) -> None:
        """Say so when it ended that had no reason to."""
        last = self.log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
        if process.exit_status == EX_CONFIG and last.startswith(DATABASE_AWAY):
            self.tally.count("starts refused while the database was away")
        elif process.exit_status == EX_CONFIG and KEEPER_AWAY in last and self._troubled():
            self.tally.count("starts refused while the keeper was broken")
        elif not process.doomed:
            self.tally.violation(f"{self.name} ended by itself ({process.exit_status}): {last}")


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
