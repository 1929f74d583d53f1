"""The ledger of a host without a database: it asks the servers, which have one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from server.definition import CauseKind
from server.errors import (
    DatabaseRefusedError,
    DatabaseUnavailableError,
    ForbiddenError,
    MessageTooLargeError,
    NoAnswerError,
    OtherHostFailedError,
    WireError,
)
from server.models import Advance, Position, Run, RunEnd, RunState
from server.services.ledger.ledger import StartData
from server.wire.asking import Servers
from server.wire.connection import Wire
from server.wire.messages import (
    Active,
    ActiveRuns,
    Append,
    Appended,
    Claim,
    Claimed,
    Found,
    Get,
    Known,
    Positions,
    Secrets,
    SeenTimes,
    Start,
    TakeOver,
    Times,
)
from server.wire.sizes import in_messages

MAX_IDS = 5_000
"""Runs that are asked for at once: where they stand is 750 kB at most, and is to fit in an answer
by NATS's default (1 MiB)."""


class WireLedger:
    """The `Ledger` of a worker, and its claims.

    Where no server answers it is as if the database did not: all that asks a ledger knows that.
    `life` is which process of the host asks.
    """

    def __init__(self, wire: Wire, servers: Servers, life: str | None = None) -> None:
        self._wire = wire
        self._servers = servers
        self._life = life

    async def claim(self, places: int) -> Sequence[Run]:
        """Return runs that are ours from now on, `places` at most.

        It is asked once: what an answer that is lost would have told is among the active ones, and
        whoever asks again for it at once would get others.
        """
        claimed: Claimed = await self._ask(Claim(places=places, life=self._life), attempts=1)
        if not claimed.more:
            return claimed.runs
        # The others are ours as well; those that are known already are taken in again for nothing.
        active = await self.active()
        known = {run.id for run in claimed.runs}
        return [
            *claimed.runs,
            *(run for run in active if run.state is RunState.QUEUED and run.id not in known),
        ]

    async def active(self) -> Sequence[Run]:
        """Return the queued and running runs of the host, oldest first.

        Each part is asked for once: whoever needs them asks again, after a pause of its own.
        """
        runs: list[Run] = []
        after, more = None, True
        while more:
            part: ActiveRuns = await self._ask(Active(after=after), attempts=1)
            runs += part.runs
            after, more = (part.runs[-1].id, part.more) if part.runs else (None, False)
        return sorted(runs, key=lambda run: (run.created_at, run.id))

    async def running(self) -> Sequence[Run]:
        """Return the running runs of the host: few of its active ones wait, as it claims to run."""
        return [run for run in await self.active() if run.state is RunState.RUNNING]

    async def take_over(self, runs: Iterable[Run]) -> Mapping[UUID, Position]:
        """Become the owner of runs, as they were read; return where each stands."""
        epochs = {run.id: run.epoch for run in runs}
        found: dict[UUID, Position] = {}
        for ids in _parts(epochs):
            known = {run_id: epochs[run_id] for run_id in ids}
            part: Found = await self._ask(TakeOver(epochs=known, life=self._life))
            found |= part.positions
        return found

    async def start_of(self, run: Run) -> StartData:
        """Return what a run is started with; most need nothing, and nobody is asked for it."""
        has_body = run.cause is not None and run.cause.kind in {CauseKind.HOOK, CauseKind.RETRY}
        if not run.options.secrets and not has_body:
            return StartData({}, None)
        found: Secrets = await self._ask(Start(run_id=run.id))
        return StartData(found.secrets, found.body)

    async def append(self, advances: Sequence[Advance]) -> set[UUID]:
        """Move runs on; return those that moved, all the way where it took several messages."""
        moved: set[UUID] = set()
        for group in in_messages(advances, self._wire.max_payload):
            found: Appended = await self._ask(Append(advances=tuple(group)))
            moved -= {advance.run_id for advance in group}
            moved |= found.moved
        return moved

    async def positions(self, run_ids: Iterable[UUID]) -> Mapping[UUID, Position]:
        """Return where the archives of the host's runs stand; others are left out."""
        found: dict[UUID, Position] = {}
        for ids in _parts(run_ids):
            part: Found = await self._ask(Positions(run_ids=ids))
            found |= part.positions
        return found

    async def times(self, run_id: UUID) -> Sequence[tuple[int, float]]:
        """Return when what is archived was first seen: offsets and Unix seconds, ascending."""
        times: list[tuple[int, float]] = []
        more = True
        while more:
            start = times[-1][0] + 1 if times else 0
            part: SeenTimes = await self._ask(Times(run_id=run_id, from_offset=start))
            times += part.times
            more = part.more and bool(part.times)
        return times

    async def finish_queued(self, run_id: UUID, end: RunEnd) -> bool:
        """End a run that is still queued; False when it is not."""
        position = (await self.positions([run_id])).get(run_id)
        if position is None or position.state is not RunState.QUEUED:
            return False
        step = Advance(
            run_id=run_id,
            epoch=position.epoch,
            from_offset=position.output_bytes,
            to_offset=position.output_bytes,
            to_lines=position.output_lines,
            end=end,
        )
        return run_id in await self.append([step])

    async def get(self, run_id: UUID) -> Run:
        """Return a run of the host.

        Raises:
            RunNotFoundError: it has no such run.
        """
        found: Known = await self._ask(Get(run_id=run_id))
        return found.run

    async def _ask(self, request: object, *, attempts: int | None = None) -> Any:
        with _as_of_a_database():
            return await self._servers.ask(request, attempts=attempts)


@contextmanager
def _as_of_a_database() -> Iterator[None]:
    try:
        yield
    except MessageTooLargeError as error:  # asked again it is as large
        raise DatabaseRefusedError(str(error)) from error
    except (NoAnswerError, OtherHostFailedError, WireError, ForbiddenError) as error:
        # Who was removed may be let in again: its runs and their output wait for that.
        raise DatabaseUnavailableError(str(error)) from error


def _parts(run_ids: Iterable[UUID]) -> Iterator[tuple[UUID, ...]]:
    ids = tuple(run_ids)
    for start in range(0, len(ids), MAX_IDS):
        yield ids[start : start + MAX_IDS]
