"""The servers' hands: what workers ask of the database, each about its own runs alone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from server.errors import RunNotFoundError
from server.models import Advance, Run, RunEnd, RunState
from server.repositories.claims import ClaimRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.fleet.roster import Roster
from server.services.ledger.ledger import Ledger
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
from server.wire.serving import FromWorker
from server.wire.sizes import fits, fitting

MAX_CLAIMED = 100
"""Runs in one answer: what does not fit in it is found among the worker's active ones."""

TOO_LARGE = (
    "it was not started: its script and parameters are larger than NATS lets through to its"
    " worker (max_payload)"
)

TIME_BYTES = 64
"""More than an offset and its time take in an answer."""


class Hands:
    """Answers workers. `host` is in the subject that a worker may use alone: it cannot lie."""

    def __init__(
        self,
        *,
        runs: RunRepository,
        outputs: OutputRepository,
        claims: ClaimRepository,
        roster: Roster,
        ledger_of: Callable[[str], Ledger],
        max_bytes: Callable[[], int],
    ) -> None:
        self._runs = runs
        self._outputs = outputs
        self._claims = claims
        self._roster = roster
        self._ledger_of = ledger_of
        self._max_bytes = max_bytes

    @property
    def handlers(self) -> Mapping[str, FromWorker]:
        """What answers each word."""
        return {
            "claim": self.claim,
            "start": self.start,
            "get": self.get,
            "append": self.append,
            "active": self.active,
            "positions": self.positions,
            "times": self.times,
            "takeover": self.take_over,
        }

    async def claim(self, host: str, request: Claim) -> Claimed:
        """Give a worker runs that wait, within what it may run."""
        allowed = await self._roster.allowed(host)
        if allowed is None or not allowed.pools:
            return Claimed(runs=())
        runs = await self._claims.claim(
            host,
            pools=allowed.pools,
            labels=allowed.labels,
            places=allowed.places,
            limit=min(request.places, MAX_CLAIMED),
        )
        claimed = await self._sendable(host, runs)
        # Those that do not fit are its own all the same: it finds them among its active ones.
        count = fitting(claimed, self._max_bytes())
        return Claimed(runs=tuple(claimed[:count]), more=count < len(claimed))

    async def start(self, host: str, request: Start) -> Secrets:
        """Return what a worker's run is started with besides its script."""
        data = await self._ledger_of(host).start_of(await self._own(host, request.run_id))
        return Secrets(secrets=data.secrets, body=data.body)

    async def get(self, host: str, request: Get) -> Known:
        """Return a worker's run."""
        return Known(run=await self._own(host, request.run_id))

    async def append(self, host: str, request: Append) -> Appended:
        """Move a worker's runs on."""
        hosts = {advance.run_id: host for advance in request.advances}
        moved = await self._outputs.append(request.advances, hosts=hosts)
        return Appended(moved=frozenset(moved))

    async def active(self, host: str, request: Active) -> ActiveRuns:
        """Return a worker's active runs, as many of them as fit."""
        runs = sorted(await self._runs.active(host), key=lambda run: run.id)
        rest = await self._sendable(
            host, [run for run in runs if request.after is None or run.id > request.after]
        )
        count = fitting(rest, self._max_bytes())
        return ActiveRuns(runs=tuple(rest[:count]), more=count < len(rest))

    async def positions(self, host: str, request: Positions) -> Found:
        """Return where the archives of a worker's runs stand."""
        return Found(positions=await self._outputs.positions(request.run_ids, host=host))

    async def times(self, host: str, request: Times) -> SeenTimes:
        """Return when output of a worker's run was first seen, as much of it as fits."""
        await self._own(host, request.run_id)
        times = [
            one
            for one in await self._outputs.times(request.run_id)
            if one[0] >= request.from_offset
        ]
        count = self._max_bytes() // TIME_BYTES
        return SeenTimes(times=tuple(times[:count]), more=count < len(times))

    async def take_over(self, host: str, request: TakeOver) -> Found:
        """Raise the epochs of a worker's runs."""
        return Found(positions=await self._runs.take_over_known(request.epochs, host))

    async def _sendable(self, host: str, runs: Sequence[Run]) -> Sequence[Run]:
        """Return the runs that fit into a message; end the others, which no worker can get.

        One of them would else stand in the way of all behind it.
        """
        max_bytes = self._max_bytes()
        sendable = [run for run in runs if fits(run, max_bytes)]
        for run in runs:
            if run not in sendable:
                end = RunEnd(RunState.FAILED, datetime.now(UTC), reason=TOO_LARGE)
                step = Advance(
                    run_id=run.id,
                    epoch=run.epoch,
                    from_offset=run.output_bytes,
                    to_offset=run.output_bytes,
                    to_lines=run.output_lines,
                    end=end,
                )
                await self._outputs.append([step], hosts={run.id: host})
        return sendable

    async def _own(self, host: str, run_id: UUID) -> Run:
        """Return a run of a worker; another's is to it as one that does not exist.

        Raises:
            RunNotFoundError: it has no such run.
        """
        run = await self._runs.get(run_id)
        if run.host != host:
            raise RunNotFoundError.of(run_id)
        return run
