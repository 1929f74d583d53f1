"""A keeper and its spools, in memory: processes that write a while, and end."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from server.keeper.protocol import KeeperEndedError, KeeperError, StartRequest
from server.keeper.records import ExitRecord
from server.output.marks import Mark
from tests.simulation.chance import Chance

WRITES = (0, 1, 2, 5)
PAUSES = (0.0, 0.0, 0.05, 0.3, 1.0, 2.5, 6.0)
"""Between two writes: most runs are over in a moment."""

CODES = (0, 0, 3)
CALL_SECONDS = 5.0
"""For so long an answer is waited for."""


@dataclass(eq=False)
class Spool:
    """What there is of a run on its host."""

    output: bytes = b""
    ended: ExitRecord | None = None
    stopped: bool = False
    logs: list["Log"] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.output += data
        self.tell()

    def tell(self) -> None:
        for log in [*self.logs]:
            log.refresh()


class Log:
    """A run's output, as RunLog has it."""

    damaged = removed = False
    users = 1

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.size = len(spool.output)
        self.ended = spool.ended is not None
        self.listeners: set[Callable[[], None]] = set()
        self._grown = asyncio.Event()
        spool.logs.append(self)

    def refresh(self) -> None:
        self.size, self.ended = len(self._spool.output), self._spool.ended is not None
        self._grown.set()
        for tell in [*self.listeners]:
            tell()

    async def read(self, offset: int, limit: int) -> bytes:
        return self._spool.output[offset : offset + limit]

    async def time_at(self, _: int) -> float:
        return 0.0

    def fresh_marks(self, _start: int, _end: int) -> list[Mark]:
        return []

    def forget_marks(self, _: int) -> None:
        return

    def wake(self) -> None:
        return

    async def grown(self, _: int) -> None:
        while not self.ended:
            self._grown.clear()
            await self._grown.wait()

    async def lines_before(self, offset: int) -> int:
        return self._spool.output[:offset].count(b"\n")

    def release(self) -> None:
        self._spool.logs.remove(self)


class Keeper:
    """Starts each run once, as far as it remembers; whoever asks may not hear that it did."""

    def __init__(self, chance: Chance, *, has_tombstones: bool) -> None:
        self.spools: dict[str, Spool] = {}
        self.starts: Counter[str] = Counter()
        self.wrote: dict[str, bytes] = {}
        self.codes: dict[str, int | None] = {}
        self.most = 0
        self._going: set[str] = set()
        self._ended: set[str] = set()
        self._chance = chance
        self._has_tombstones = has_tombstones
        self._lives: set[asyncio.Task[None]] = set()

    async def start(self, request: StartRequest) -> bool:
        """Take a request, which is done even if nobody waits for it any more.

        One of before may be under way for long only where it is remembered what has ended.
        """
        done = self._run(self._take(request))
        done.add_done_callback(lambda task: task.exception())  # perhaps nobody waits for it
        await asyncio.wait({done}, timeout=CALL_SECONDS)
        if not done.done():
            raise KeeperError("the keeper does not answer")
        started: bool = done.result()
        if self._has_tombstones and self._chance.happens(self._chance.plan.lost):
            raise KeeperError("the connection was lost")
        return started

    def copied(self) -> "Keeper":
        """Return the keeper of a copy: it has the spools, and none of the processes."""
        copy = Keeper(self._chance, has_tombstones=self._has_tombstones)
        copy._ended = {*self._ended}
        for run_id, spool in self.spools.items():
            lost = ExitRecord(lost=True, error="no process", output_bytes=len(spool.output))
            copy.spools[run_id] = Spool(spool.output, spool.ended or lost)
            copy._ended.add(run_id)
        return copy

    async def runs(self) -> list[str]:
        return [run_id for run_id, spool in self.spools.items() if spool.ended is None]

    async def stop(self, run_id: str, *, signal: str, grace_seconds: float) -> bool:
        assert signal, f"within {grace_seconds} s"
        spool = self.spools.get(run_id)
        if spool is not None:
            spool.stopped = True
        return spool is not None

    async def _take(self, request: StartRequest) -> bool:
        late = self._chance.late() if self._has_tombstones else 0.001
        await asyncio.sleep(min(late, 60.0))
        run_id = request.run_id
        if run_id in self.spools or run_id in self._going:
            return False
        if self.remembers(run_id):
            raise KeeperEndedError("it has run and ended here, and is not started again")
        self.spools[run_id] = Spool()
        self.starts[run_id] += 1
        self._run(self._live(run_id, self.spools[run_id]))
        return True

    def remembers(self, run_id: str) -> bool:
        """Whether it is known that a run has ended."""
        return self._has_tombstones and run_id in self._ended

    async def _live(self, run_id: str, spool: Spool) -> None:
        self._going.add(run_id)
        self.most = max(self.most, len(self._going))
        for number in range(int(self._chance.one_of(WRITES))):
            await asyncio.sleep(self._chance.one_of(PAUSES))
            if spool.stopped or run_id not in self.spools:
                spool.stopped = True
                break
            spool.write(f"{run_id} start {self.starts[run_id]} line {number}\n".encode())
        self._going.discard(run_id)
        self._ended.add(run_id)
        code = None if spool.stopped else int(self._chance.one_of(CODES))
        self.wrote[run_id], self.codes[run_id] = spool.output, code
        spool.ended = ExitRecord(
            exitcode=code,
            signal="SIGTERM" if spool.stopped else None,
            cause="stop" if spool.stopped else None,
            output_bytes=len(spool.output),
        )
        spool.tell()

    def _run(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._lives.add(task)
        task.add_done_callback(self._lives.discard)
        return task


class Spools:
    """The keeper's spools, as `Spool` shows them to a worker."""

    def __init__(self, keeper: Keeper) -> None:
        self._spools = keeper.spools

    def run_ids(self) -> list[str]:
        return [*self._spools]

    def read_exit(self, run_id: str) -> ExitRecord | None:
        spool = self._spools.get(run_id)
        return None if spool is None else spool.ended

    def has_windows_line_ends(self, _: str) -> bool:
        return False

    def directory(self, run_id: str) -> "Place":
        return Place(exists=run_id in self._spools)

    def output_path(self, run_id: str) -> "Place":
        return Place(exists=run_id in self._spools)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A path, as far as it is asked."""

    exists: bool

    def is_dir(self) -> bool:
        return self.exists

    def is_file(self) -> bool:
        return self.exists


class Care:
    """Removes spools."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def remove(self, run_id: str) -> None:
        await asyncio.sleep(0.0005)
        self._keeper.spools.pop(run_id, None)

    async def sweep(self) -> None:
        return

    async def give_up(self, _: str) -> None:
        return
