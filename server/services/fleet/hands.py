"""The servers' hands: what workers ask of the database, each about its own runs alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from server.errors import DatabaseRefusedError, RunNotFoundError
from server.models import Advance, Run, RunEnd, RunState
from server.repositories.claims import ClaimRepository
from server.repositories.output import OutputRepository
from server.repositories.runs import RunRepository
from server.services.fleet.appends import Appends, Asked
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
from server.wire.sizes import MESSAGE_BYTES, size_of
from server.wire.texts import line

MAX_CLAIMED = 100
"""Runs in one answer: what does not fit in it is found among the worker's active ones."""

TOO_LARGE = (
    "it was not started: its script and parameters are larger than NATS lets through to its"
    " worker (max_payload)"
)

MAX_CHUNK_BYTES = 16 * 1024 * 1024
"""Of output that a worker archives in one piece: whoever reads any of it has all of it unpacked."""

MAX_MARKS_BYTES = 256 * 1024
"""Of when that was first seen: more than MAX_FRESH_MARKS marks take."""

MAX_REASON_CHARACTERS = 10_000
"""Of how a run ended, as its worker says it."""

MAX_SIGNAL_CHARACTERS = 20

MAX_TIMES = 10_000
"""When output was first seen, in one answer."""

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
        ledger_of: Callable[[str], Ledger],
        max_bytes: Callable[[], int],
    ) -> None:
        self.on_changed: Callable[[UUID], None] = lambda _: None
        """Called with each worker's run of which a start or an end is stored."""
        self.on_ended: Callable[[], None] = lambda: None
        """Called once ends of workers' runs are stored."""
        self._runs = runs
        self._outputs = outputs
        self._appends = Appends(outputs, timeout_seconds=outputs.timeout_seconds)
        self._claims = claims
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
        places = min(request.places, MAX_CLAIMED)
        runs = await self._claims.claim_within_lease(host, places, request.life)
        # Those that do not fit are its own all the same: it finds them among its active ones.
        claimed, more = await self._sendable(host, runs)
        return Claimed(runs=claimed, more=more)

    async def start(self, host: str, request: Start) -> Secrets:
        """Return what a worker's run is started with besides its script."""
        data = await self._ledger_of(host).start_of(await self._own(host, request.run_id))
        return Secrets(secrets=data.secrets, body=data.body)

    async def get(self, host: str, request: Get) -> Known:
        """Return a worker's run."""
        return Known(run=await self._own(host, request.run_id))

    async def append(self, host: str, request: Append) -> Appended:
        """Move a worker's runs on.

        Raises:
            DatabaseRefusedError: what it says of a run's output is not so, or one is refused.
        """
        advances = [_checked(advance) for advance in request.advances]
        if len({advance.run_id for advance in advances}) < len(advances):
            raise DatabaseRefusedError("A run moves once in a request.")
        moved = await self._appends.do(Asked(host, advances))
        for one in advances:
            if one.run_id in moved and (one.start_time is not None or one.end is not None):
                self.on_changed(one.run_id)
        if any(one.end is not None and one.run_id in moved for one in advances):
            self.on_ended()
        return Appended(moved=frozenset(moved))

    async def active(self, host: str, request: Active) -> ActiveRuns:
        """Return a worker's active runs, as many of them as fit."""
        after, part, more = request.after, tuple[Run, ...](), True
        while more and not part:  # as where all that were read cannot be sent
            runs = await self._runs.active_after(host, after, MAX_CLAIMED)
            part, unread = await self._sendable(host, runs)
            more = unread or len(runs) == MAX_CLAIMED
            after = runs[-1].id if runs else after
        return ActiveRuns(runs=part, more=more)

    async def positions(self, host: str, request: Positions) -> Found:
        """Return where the archives of a worker's runs stand."""
        return Found(positions=await self._outputs.positions(request.run_ids, host=host))

    async def times(self, host: str, request: Times) -> SeenTimes:
        """Return when output of a worker's run was first seen, as much of it as fits."""
        await self._own(host, request.run_id)
        count = min(self._max_bytes() // TIME_BYTES, MAX_TIMES)
        times = await self._outputs.times(request.run_id, request.from_offset, count + 1)
        return SeenTimes(times=tuple(times[:count]), more=count < len(times))

    async def take_over(self, host: str, request: TakeOver) -> Found:
        """Raise the epochs of a worker's runs."""
        found = await self._runs.take_over_known(request.epochs, host, request.life)
        return Found(positions=found)

    async def _sendable(self, host: str, runs: Sequence[Run]) -> tuple[tuple[Run, ...], bool]:
        """Return the first runs, as many as fit into a message, and whether there are more.

        Those that no worker can get are ended: one of them would stand in the way of all behind it.
        What was started needs its script no more, and goes on.
        """
        room = self._max_bytes() - MESSAGE_BYTES
        sendable: list[Run] = []
        taken = 0
        for stored in runs:
            run, size = _within(stored, room)
            if size > room:
                await self._end_unsent(host, run)
            elif taken + size > room:
                return tuple(sendable), True
            else:
                sendable.append(run)
                taken += size
        return tuple(sendable), False

    async def _end_unsent(self, host: str, run: Run) -> None:
        step = Advance(
            run_id=run.id,
            epoch=run.epoch,
            from_offset=run.output_bytes,
            to_offset=run.output_bytes,
            to_lines=run.output_lines,
            end=RunEnd(RunState.FAILED, datetime.now(UTC), reason=TOO_LARGE),
        )
        await self._outputs.append([step], hosts={run.id: host})

    async def _own(self, host: str, run_id: UUID) -> Run:
        """Return a run of a worker; another's is to it as one that does not exist.

        Raises:
            RunNotFoundError: it has no such run.
        """
        run = await self._runs.get(run_id)
        if run.host != host:
            raise RunNotFoundError.of(run_id)
        return run


def _within(run: Run, room: int) -> tuple[Run, int]:
    """Return a run as it is sent, and its size: one that has begun does without a large script."""
    if (size := size_of(run)) > room and run.state is RunState.RUNNING:
        run = replace(run, script="", parameters={})
        size = size_of(run)
    return run, size


def _checked(advance: Advance) -> Advance:
    """Return what a worker says of a run: it may lie of its own, and not without bounds.

    A step's chunks are all that it moves on by, and each can be unpacked. An end is one, and what
    it says is one line.

    Raises:
        DatabaseRefusedError: no worker of ours would say that.
    """
    sizes = [chunk.byte_count for chunk in advance.chunks]
    if (
        sum(sizes) != advance.to_offset - advance.from_offset
        or max(sizes, default=0) > MAX_CHUNK_BYTES
    ):
        raise DatabaseRefusedError(f"The output of the run {advance.run_id} has no such chunks.")
    if max((len(chunk.marks) for chunk in advance.chunks), default=0) > MAX_MARKS_BYTES:
        raise DatabaseRefusedError(f"The output of the run {advance.run_id} has no such marks.")
    end = advance.end
    if end is None:
        return advance
    if (
        not end.state.final
        or len(end.reason or "") > MAX_REASON_CHARACTERS
        or len(end.signal or "") > MAX_SIGNAL_CHARACTERS
    ):
        raise DatabaseRefusedError(f"That is no end of the run {advance.run_id}.")
    reason = None if end.reason is None else line(end.reason, MAX_REASON_CHARACTERS)
    signal = None if end.signal is None else line(end.signal, MAX_SIGNAL_CHARACTERS)
    plain = replace(end, reason=reason, signal=signal)
    return advance if plain == end else replace(advance, end=plain)
