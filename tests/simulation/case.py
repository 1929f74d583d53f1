"""A case: servers, workers and their keepers, from the first run until all are told rightly."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from uuid import UUID

from server.models import Chunk, RunEnd, RunState
from server.services.archive import codec
from server.services.running import housekeeping, runner
from server.services.worker import attendance
from tests.simulation import clock
from tests.simulation.chance import FAULTY_SECONDS, Chance, Plan
from tests.simulation.keeper import Keeper
from tests.simulation.lives import Directory
from tests.simulation.network import HARMS, Network
from tests.simulation.servers import POOL, Database, open_servers
from tests.simulation.tables import ALL_FENCES, Fences, Row, Tables
from tests.simulation.worker import Worker
from tests.support.runs import a_run

PATIENCE_SECONDS = 5000.0
"""An answer that was lost is looked after for an hour."""

LATE_SECONDS = 140.0
"""After which nothing of before is under way any more."""

STARTED_WITHIN_SECONDS = 20.0
RECONCILE_SECONDS = 3.0
"""Far more often than hosts do it, so that it is under way whenever something else is."""

ALIKE = datetime(2026, 1, 1, tzinfo=UTC)
MAX_LIVES = 6
"""After which no worker is killed by what it asks."""

LOST = RunEnd(RunState.LOST, ALIKE, reason="given up")


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a case."""

    plan: Plan
    seconds: float
    asked: int
    lives: int
    statements: Sequence[tuple[str, tuple[object, ...], object]]
    chunks: Mapping[UUID, Sequence[Chunk]]


class Case:
    """Plays a case; AssertionError: something is not as it is promised."""

    def __init__(self, plan: Plan, fences: Fences) -> None:
        self._plan = plan
        self._chance = Chance(plan)
        self._now = asyncio.get_running_loop().time
        self._network = Network(self._chance, self._now)
        self._tables = Tables(fences)
        self._database = Database(self._tables, self._network, self._now, plan.places)
        self._network.on_asked = self._kill_who_asks
        self._hosts = [Host(self, f"host-{number}") for number in range(plan.workers)]
        self._ended_by_others: set[UUID] = set()
        self.lives = 0

    async def play(self) -> Played:
        tasks = [asyncio.create_task(host.live()) for host in self._hosts]
        async with AsyncExitStack() as stack:
            await open_servers(stack, 2, self._database, self._network)
            tasks.append(asyncio.create_task(self._store()))
            tasks.append(asyncio.create_task(self._kill()))
            tasks.append(asyncio.create_task(self._copy()))
            tasks.append(asyncio.create_task(self._calm_down()))
            try:
                await self._until_all_have_ended(tasks)
                ended_at = self._now()
                await self._watched(tasks, LATE_SECONDS)
                self._check()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return Played(
            self._plan,
            ended_at,
            self._network.asked,
            self.lives,
            self._database.done,
            {run_id: row.chunks for run_id, row in self._tables.rows.items()},
        )

    def worker(self, host: str, keeper: Keeper, directory: Directory) -> Worker:
        """Return a worker's next life."""
        self.lives += 1
        return Worker(host, self.lives, keeper, directory, self._network, self._plan.places)

    @property
    def chance(self) -> Chance:
        return self._chance

    async def _store(self) -> None:
        """Store the runs, some of them together; some are given up by somebody."""
        for number in range(self._plan.runs):
            await asyncio.sleep(
                self._chance.one_of((0.0, 0.0, 0.3, STARTED_WITHIN_SECONDS / self._plan.runs))
            )
            moment = ALIKE + timedelta(seconds=number)
            # Of a seed all is the same, also the order of ids.
            run_id = UUID(int=self._chance.random.getrandbits(128), version=4)
            run = replace(
                a_run(), id=run_id, host=None, pool=POOL, created_at=moment, start_time=moment
            )
            self._database.store(run)
            for host in self._hosts:
                host.ring()
            if self._chance.happens(self._plan.ended_by_others):
                self._ended_by_others.add(run.id)
                at = self._chance.random.uniform(0.0, 30.0)
                asyncio.get_running_loop().call_later(at, self._database.end, run.id, LOST)

    async def _kill(self) -> None:
        for at in self._plan.kills:
            await asyncio.sleep(max(0.0, at - self._now()))
            self._chance.random.choice(self._hosts).kill()

    async def _copy(self) -> None:
        """Have a second worker with a copy of the first one's state directory."""
        copy, first = self._plan.copy, self._hosts[0]
        if copy is not None:
            loop, now = asyncio.get_running_loop(), self._now()
            if copy.dies is not None:
                loop.call_later(copy.dies - now, first.die)
            if copy.returns is not None:
                loop.call_later(copy.returns - now, first.come_back)
            await asyncio.sleep(copy.made - now)
            second = first.copied()
            await asyncio.sleep(copy.starts - copy.made)
            self._hosts.append(second)
            await second.live()
        await asyncio.Event().wait()

    def _kill_who_asks(self, word: str, life: int) -> bool:
        """Kill a worker while what it has asked for is under way; return whether it is killed."""
        if word not in HARMS or not self._chance.happens(self._chance.plan.killed_asking):
            return False
        if self.lives > MAX_LIVES:
            return False
        for host in self._hosts:
            if host.life == life:
                at = self._chance.random.uniform(0.0, 0.05)
                asyncio.get_running_loop().call_later(at, host.kill)
        return True

    async def _calm_down(self) -> None:
        await asyncio.sleep(FAULTY_SECONDS)
        self._chance.calm_down()
        await asyncio.sleep(PATIENCE_SECONDS * 2)

    async def _until_all_have_ended(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        while self._now() < PATIENCE_SECONDS:
            await self._watched(tasks, 1.0)
            rows = [*self._tables.rows.values()]
            if len(rows) == self._plan.runs and all(row.run.state.final for row in rows):
                return
        left = [str(row.run) for row in self._tables.rows.values() if not row.run.state.final]
        raise AssertionError(f"never ended: {left}")

    async def _watched(self, tasks: Sequence["asyncio.Task[None]"], seconds: float) -> None:
        """Wait so long; what has died meanwhile is an error."""
        await asyncio.sleep(seconds)
        for task in tasks:
            if task.done():
                task.result()

    def _check(self) -> None:
        assert not self._database.wrong, self._database.wrong
        for host in self._hosts:
            again = {one: count for one, count in host.keeper.starts.items() if count > 1}
            assert not again, f"started again: {again}"
            if not self._ended_by_others and self._plan.copy is None:
                most = host.keeper.most
                assert most <= self._plan.places, f"{most} together, of {self._plan.places}"
                assert not host.keeper.spools, f"spools are left: {[*host.keeper.spools]}"
        for row in self._tables.rows.values():
            self._check_run(row)

    def _check_run(self, row: Row) -> None:
        run = row.run
        output = b""
        for chunk in row.chunks:
            assert chunk.byte_offset == len(output), f"{run.id}: chunks do not adjoin"
            output += codec.decompress(chunk.data, chunk)
        assert len(output) == run.output_bytes, f"{run.id}: bytes are lost, or there twice"
        assert row.preview == output.decode(), f"{run.id}: its preview is another"
        assert run.output_lines == output.count(b"\n"), f"{run.id}: lines are counted wrongly"
        hosts = [host.keeper for host in self._hosts if str(run.id) in host.keeper.wrote]
        wrote = hosts[0].wrote[str(run.id)] if hosts else b""
        assert len(hosts) <= 1, f"{run.id}: it ran on two hosts"
        if self._plan.copy is not None and run.state is RunState.LOST:  # its process is elsewhere
            going = [host.keeper.spools.get(str(run.id)) for host in self._hosts]
            known = [wrote, *(one.output for one in going if one is not None)]
            assert not output or any(one.startswith(output) for one in known), (
                f"{run.id}: {output!r}"
            )
            return
        # What a worker that was killed had asked its keeper for may begin when nobody follows it.
        is_followed = row.given_up and bool(hosts) and not self._plan.has_tombstones
        if run.id in self._ended_by_others and not is_followed:
            assert wrote.startswith(output), f"{run.id}: that was never written"
            return
        assert hosts, f"{run.id} ended as {run.state}, and never ran: {run.reason}"
        assert output == wrote, f"{run.id}: {output!r} is stored, and {wrote!r} was written"
        if run.id in self._ended_by_others:
            assert run.state.final, f"{run.id} is active again"
            return
        assert run.exitcode == hosts[0].codes[str(run.id)], f"{run.id} ended: {run}"


class Host:
    """A host: its keeper, and its worker's lives."""

    def __init__(
        self,
        case: Case,
        name: str,
        keeper: Keeper | None = None,
        directory: Directory | None = None,
    ) -> None:
        self._case = case
        self._name = name
        self.life = 0
        self.keeper = keeper or Keeper(case.chance, has_tombstones=case.chance.plan.has_tombstones)
        self._directory = directory or Directory.new()
        self._may_live = asyncio.Event()
        self._may_live.set()
        self._life: asyncio.Task[None] | None = None
        self._worker: Worker | None = None
        self._killed = asyncio.Event()

    def ring(self) -> None:
        """Tell its worker that there may be a run; it may not be heard."""
        if self._worker is not None and not self._case.chance.happens(self._case.chance.plan.lost):
            self._worker.ring()

    def kill(self) -> None:
        self._killed.set()

    def die(self) -> None:
        """Have no worker from now on; its keeper goes on."""
        self._may_live.clear()
        self.kill()

    def come_back(self) -> None:
        """Have a worker again."""
        self._may_live.set()

    def copied(self) -> "Host":
        """Return another machine with a copy of its state directory."""
        return Host(self._case, self._name, self.keeper.copied(), self._directory.copied())

    async def live(self) -> None:
        """Have a worker, and after a kill another one."""
        while True:
            self._killed.clear()
            await self._may_live.wait()
            self._worker = self._case.worker(self._name, self.keeper, self._directory)
            self.life = self._case.lives
            life = asyncio.create_task(self._worker.live())
            killed = asyncio.create_task(self._killed.wait())
            try:
                await asyncio.wait([life, killed], return_when=asyncio.FIRST_COMPLETED)
                if life.done():
                    life.result()
            finally:
                self._worker = None
                for task in (life, killed):
                    task.cancel()
                await asyncio.gather(life, killed, return_exceptions=True)
            await asyncio.sleep(self._case.chance.random.uniform(0.05, 4.0))


def play(
    seed: int, fences: Fences = ALL_FENCES, *, changed: Callable[[Plan], Plan] | None = None
) -> Played:
    """Play the case of a seed.

    Raises:
        AssertionError: something is not as it is promised.
    """
    plan = Plan.of(seed)
    if changed is not None:
        plan = changed(plan)

    async def case() -> Played:
        now = asyncio.get_running_loop().time
        with (
            patch.object(attendance, "boottime", now),
            patch.object(runner, "boottime", now),
            patch.object(housekeeping, "RECONCILE_SECONDS", RECONCILE_SECONDS),
        ):
            return await Case(plan, fences).play()

    before = random.getstate()
    random.seed(seed)  # what is drawn in the parts themselves
    try:
        return clock.run(case())
    except AssertionError as error:
        error.add_note(f"seed {seed}: {plan}")
        raise
    finally:
        random.setstate(before)
