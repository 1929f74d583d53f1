"""Workers that say that they are there: hellos and beats, and what each may claim."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.errors import ForbiddenError, NotFoundError
from server.repositories.workers import NotedStop, Worker, WorkerRepository
from server.services.fleet.roster import Allowed
from server.wire.messages import Beat, Hello, Standing, StopWanted, WorkerState
from server.wire.serving import FromWorker

LEASE_SECONDS = 30.0
BEAT_SECONDS = 5.0
"""The lease outlasts four beats, each with its time-out: a worker that goes on never loses it."""

GATHER_SECONDS = 0.2
"""Beats that come within that are one statement."""

MAX_PLACES = 1_000_000


class Attending:
    """Answers hello and beat; a `Roster`.

    What a worker says of its pools and labels is believed, as long as the engine lets it in.
    """

    def __init__(
        self, workers: WorkerRepository, *, gather_seconds: float = GATHER_SECONDS
    ) -> None:
        self._workers = workers
        self._gather_seconds = gather_seconds
        self._gathered: set[str] = set()
        self._beats: asyncio.Task[_Heard] | None = None

    @property
    def handlers(self) -> Mapping[str, FromWorker]:
        """What answers each word."""
        return {"hello": self.hello, "beat": self.beat}

    async def hello(self, host: str, request: Hello) -> Standing:
        """Let a worker in.

        Raises:
            ForbiddenError: it was removed.
        """
        return _standing(
            await self._workers.hello(
                host,
                name=request.name,
                version=request.version,
                pools=request.pools,
                labels=request.labels,
                places=min(max(request.places, 0), MAX_PLACES),
                lease_seconds=LEASE_SECONDS,
            )
        )

    async def beat(self, host: str, _request: Beat) -> Standing:
        """Extend a worker's lease, together with others; it is answered once that is stored.

        Raises:
            NotFoundError: it is not known (any more): it is to say hello.
            ForbiddenError: it was removed.
        """
        if self._beats is None:
            self._gathered = set()
            self._beats = asyncio.create_task(self._gather(), name="beats")
        self._gathered.add(host)
        heard = await asyncio.shield(self._beats)
        worker = heard.workers.get(host)
        if worker is None:
            raise NotFoundError(f"There is no worker {host}.")
        return _standing(worker, [stop for stop in heard.stops if stop.host == host])

    async def allowed(self, host: str) -> Allowed | None:
        """Return what a worker may claim now; None: nothing, as it has no lease, or drains."""
        worker = await self._workers.within_lease(host)
        return None if worker is None else Allowed(worker.pools, worker.labels, worker.places)

    async def _gather(self) -> "_Heard":
        await asyncio.sleep(self._gather_seconds)
        hosts, self._beats = self._gathered, None  # whoever beats now is in the next ones
        workers = await self._workers.beat(hosts, LEASE_SECONDS)
        return _Heard(workers, await self._workers.stops(workers))


class _Heard(NamedTuple):
    """The workers that have beaten, and what they are to stop."""

    workers: Mapping[str, Worker]
    stops: Sequence[NotedStop]


def _standing(worker: Worker, stops: Sequence[NotedStop] = ()) -> Standing:
    if worker.state == WorkerState.REMOVED:
        raise ForbiddenError("This worker was removed.")
    return Standing(
        state=WorkerState(worker.state),
        lease_seconds=LEASE_SECONDS,
        beat_seconds=BEAT_SECONDS,
        pools=worker.pools,
        labels=worker.labels,
        places=worker.places,
        stops=tuple(
            StopWanted(run_id=one.run_id, signal=one.signal, grace_seconds=one.grace_seconds)
            for one in stops
        ),
    )
