"""The servers: the real Hands behind the real serving, over tables whose answers may be lost."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from server.errors import DatabaseUnavailableError, OtherLifeError
from server.models import Advance, Position, Run, RunEnd
from server.services.fleet.hands import Hands
from server.services.ledger.ledger import StartData
from server.wire.messages import Append, Appended, Beat, Hello, Life, Standing, WorkerState
from server.wire.serving import FromWorker, serve_workers
from tests.simulation.lives import id_of
from tests.simulation.network import Network, ServerWire, asking
from tests.simulation.tables import Tables

POOL = "build"
LEASE_SECONDS = 30.0
BEAT_SECONDS = 5.0

T = TypeVar("T")


class Database:
    """What Hands ask of the repositories; each statement is done at once, some time meanwhile.

    It notes all of them in `done`, and what one did that it must not in `wrong`: an error would
    be answered as one.
    """

    timeout_seconds = 10.0
    """For so long a statement waits for its turn."""

    def __init__(
        self, tables: Tables, network: Network, now: Callable[[], float], places: int
    ) -> None:
        self.tables = tables
        self.places = places
        self.leases: dict[str, float] = {}
        self.wrong: list[str] = []
        self.done: list[tuple[str, tuple[Any, ...], Any]] = []
        self._network = network
        self._chance = network.chance
        self._now = now
        self.given_up: set[UUID] = set()
        self._owners: dict[UUID, int] = {}
        self._lives: dict[int, tuple[Advance, int]] = {}

    async def claim_within_lease(
        self, host: str, limit: int, life: str | None = None
    ) -> Sequence[Run]:
        def claim() -> list[Run]:
            within = self.leases.get(host, 0.0) > self._now()
            runs = self._noted("claim", host, limit, life) if within else []
            if len(self.tables.active_of(host)) > self.places:
                self.wrong.append(f"{host} has claimed more than it has places for")
            for run in runs:
                self._owners[run.id] = asking.get()
            if runs and self.tables.lives[host][0] != id_of(asking.get()):
                self.wrong.append(f"{host} has claimed as who has its lease no more")
            return runs

        return await self._statement(claim)

    async def append(self, advances: Sequence[Advance], *, hosts: Mapping[UUID, str]) -> set[UUID]:
        def append() -> set[UUID]:
            moved: set[UUID] = self._noted("append", advances, hosts)
            for advance in advances:
                _, life = self._lives.pop(id(advance))
                if advance.run_id in moved and life < self._owners.get(advance.run_id, 0):
                    self.wrong.append(f"{advance.run_id} was moved by who owns it no more")
            return moved

        return await self._statement(append)

    async def take_over_known(
        self, epochs: Mapping[UUID, int], host: str, life: str | None = None
    ) -> dict[UUID, Position]:
        def take_over() -> dict[UUID, Position]:
            before = {one: row.run.epoch for one, row in self.tables.rows.items()}
            found: dict[UUID, Position] = self._noted("take_over_known", epochs, host, life)
            for run_id, position in found.items():
                if position.epoch > before[run_id]:
                    if asking.get() < self._owners.get(run_id, 0):
                        self.wrong.append(f"the epoch of {run_id} was raised behind its owner")
                    self._owners[run_id] = asking.get()
            return found

        return await self._statement(take_over)

    async def active_after(self, host: str, after: UUID | None, limit: int) -> Sequence[Run]:
        return await self._statement(lambda: self._noted("active_after", host, after, limit))

    def said(self, advances: Sequence[Advance]) -> None:
        """Note who has said this: what many say is one statement."""
        self._lives |= {id(advance): (advance, asking.get()) for advance in advances}

    def store(self, run: Run) -> None:
        """Store a run that waits for a worker."""
        self._noted("add", run)

    def end(self, run_id: UUID, end: RunEnd) -> None:
        """End a run, as whoever gives it up does."""
        self._noted("end", run_id, end)

    async def get(self, run_id: UUID) -> Run:
        return await self._statement(lambda: self.tables.get(run_id))

    async def positions(self, run_ids: Iterable[UUID], *, host: str) -> Mapping[UUID, Position]:
        return await self._statement(lambda: self._noted("positions", tuple(run_ids), host))

    async def times(self, run_id: UUID, from_offset: int, limit: int) -> list[tuple[int, float]]:
        return await self._statement(lambda: self.tables.times(run_id, from_offset, limit))

    async def start_of(self, _: Run) -> StartData:
        return StartData({}, None)

    async def beat(self, host: str, beat: Beat) -> bool:
        """Extend a lease; False: there is none of this host, or another process has it."""
        return await self._statement(
            lambda: (
                host in self.leases
                and self._noted("beat", host, beat.life, beat.age)
                and self._extend(host)
            )
        )

    async def hello(self, host: str, life: Life) -> bool:
        """Give a process of a host its lease; False: another one may have it."""

        def hello() -> bool:
            silent = self._now() - self.leases.get(host, self._now())
            is_in, given_up = self._noted("hello", host, life, silent)
            self.given_up |= given_up
            return is_in and self._extend(host)

        return await self._statement(hello)

    def _extend(self, host: str) -> bool:
        self.leases[host] = self._now() + LEASE_SECONDS
        return True

    def _noted(self, name: str, *arguments: Any) -> Any:
        allowed = {"pools": (POOL,), "places": self.places} if name == "claim" else {}
        found = getattr(self.tables, name)(*arguments, **allowed)
        self.done.append((name, arguments, found))
        has_ended = name == "append" and any(step.end is not None for step in arguments[0])
        self._network.note("end" if has_ended else name)
        return found

    async def _statement(self, effect: Callable[[], T]) -> T:
        await asyncio.sleep(self._chance.seconds())
        if self._chance.happens(self._chance.plan.lost / 2):
            raise DatabaseUnavailableError("it is away")
        found = effect()
        if self._chance.happens(self._chance.plan.lost / 2):
            raise DatabaseUnavailableError("its answer was lost")
        await asyncio.sleep(self._chance.seconds())
        return found


class Attending:
    """Answers hellos and beats; what it does of them is tested beside the statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hello(self, host: str, hello: Hello) -> Standing:
        assert hello.life is not None
        if not await self._database.hello(host, hello.life):
            raise OtherLifeError("another process has the lease")
        return self._standing(host)

    async def beat(self, host: str, beat: Beat) -> Standing:
        if not await self._database.beat(host, beat):
            raise OtherLifeError("another process has the lease")
        return self._standing(host)

    def _standing(self, host: str) -> Standing:
        return Standing(
            state=WorkerState.ACTIVE,
            lease_seconds=LEASE_SECONDS,
            beat_seconds=BEAT_SECONDS,
            pools=(POOL,),
            places=self._database.places,
            life=self._database.tables.lives[host][0],
        )


async def open_servers(
    stack: AsyncExitStack, count: int, database: Database, network: Network
) -> None:
    """Have so many servers answer."""
    for _ in range(count):
        wire = ServerWire(network)
        hands = Hands(
            runs=cast("Any", database),
            outputs=cast("Any", database),
            claims=cast("Any", database),
            ledger_of=lambda _: cast("Any", database),
            max_bytes=lambda: network.chance.plan.max_payload,
        )
        attending = Attending(database)
        handlers: dict[str, FromWorker] = {
            **hands.handlers,
            "hello": attending.hello,
            "beat": attending.beat,
            "append": partial(_append, database, hands),
        }
        await stack.enter_async_context(serve_workers(cast("Any", wire), handlers))


async def _append(database: Database, hands: Hands, host: str, request: Append) -> Appended:
    database.said(request.advances)
    return await hands.append(host, request)
