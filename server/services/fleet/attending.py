"""Workers that say that they are there: hellos and beats, and what each may claim."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from server.errors import ForbiddenError, NotFoundError
from server.repositories.workers import MAX_STOPS, NotedStop, Worker, WorkerRepository
from server.services.fleet.copies import Copies
from server.services.fleet.lease import Lease
from server.services.fleet.removed import WAS_REMOVED
from server.services.tasks import Tasks
from server.wire.messages import Beat, Hello, Standing, StopWanted, WorkerState
from server.wire.serving import FromWorker
from server.wire.texts import line

if TYPE_CHECKING:
    from uuid import UUID

GATHER_SECONDS = 0.2
"""Beats that come within that are one statement."""

NOT_ENROLLED = (
    "The servers know no worker {}. `tailrun worker enroll URL --token TOKEN` enrols it; `tailrun"
    " workers token` makes a token at a server."
)


MAX_VERSION_CHARACTERS = 100

COPIED = (
    "two workers are there as %s: its state directory was copied, and each ends as lost, or starts"
    " again, what the other one has. End one, and enrol it anew with a state directory of its own"
)

logger = logging.getLogger(__name__)


class Attending:
    """Answers hello and beat.

    What a worker may run is what its enrolment gave it, whatever it says. `version` is that of
    this server's Tailrun.
    """

    def __init__(
        self,
        workers: WorkerRepository,
        lease: Lease,
        tasks: Tasks,
        *,
        version: str = "",
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._version = version
        self._workers = workers
        self._lease = lease
        self._tasks = tasks
        self._gather_seconds = gather_seconds
        self._gathered: dict[str, frozenset[UUID]] = {}
        self._beats: asyncio.Task[_Heard] | None = None
        self._copies = Copies()

    @property
    def handlers(self) -> Mapping[str, FromWorker]:
        """What answers each word."""
        return {"hello": self.hello, "beat": self.beat}

    async def hello(self, host: str, request: Hello) -> Standing:
        """Let a worker in.

        Raises:
            ForbiddenError: it is not enrolled, or was removed.
        """
        worker = await self._workers.hello(
            host,
            version=line(request.version, MAX_VERSION_CHARACTERS),
            lease_seconds=self._lease.seconds,
        )
        if worker is None:
            raise ForbiddenError(NOT_ENROLLED.format(host))
        return self._standing(worker)

    async def hello_of_server(self, host: str, request: Hello) -> Standing:
        """Let the host inside a server in."""
        worker = await self._workers.hello_of_server(
            host,
            name=request.name,
            version=request.version,
            pools=request.pools,
            labels=request.labels,
            places=request.places,
            lease_seconds=self._lease.seconds,
        )
        return self._standing(worker)

    async def beat(self, host: str, request: Beat) -> Standing:
        """Extend a worker's lease, together with others; it is answered once that is stored.

        Raises:
            NotFoundError: it is not known (any more): it is to say hello.
            ForbiddenError: it was removed.
        """
        if self._beats is None:
            self._gathered = {}
            self._beats = self._tasks.start_for_run(self._gather(), "beats", _told)
        stopped = self._gathered.get(host, frozenset()) | request.stopped
        self._gathered[host] = frozenset([*stopped][:MAX_STOPS])  # as many as it was told of
        heard = await asyncio.shield(self._beats)
        worker = heard.workers.get(host)
        if worker is None:
            raise NotFoundError(f"There is no worker {host}.")
        if self._copies.note(host, request.process):
            logger.warning(COPIED, worker.name)
        return self._standing(worker, [stop for stop in heard.stops if stop.host == host])

    def _standing(self, worker: Worker, stops: Sequence[NotedStop] = ()) -> Standing:
        if worker.state == WorkerState.REMOVED:
            raise ForbiddenError(WAS_REMOVED)
        return Standing(
            state=WorkerState(worker.state),
            lease_seconds=self._lease.seconds,
            beat_seconds=self._lease.beat_seconds,
            version=self._version,
            pools=worker.pools,
            labels=worker.labels,
            places=worker.places,
            stops=tuple(
                StopWanted(run_id=one.run_id, signal=one.signal, grace_seconds=one.grace_seconds)
                for one in stops
            ),
        )

    async def _gather(self) -> "_Heard":
        await asyncio.sleep(self._gather_seconds)
        gathered, self._beats = self._gathered, None  # whoever beats now is in the next ones
        stopped = [(host, run_id) for host, runs in gathered.items() for run_id in runs]
        if stopped:
            await self._workers.note_stopped(stopped)
        workers = await self._workers.beat(gathered, self._lease.seconds)
        return _Heard(workers, await self._workers.stops(workers))


class _Heard(NamedTuple):
    """The workers that have beaten, and what they are to stop."""

    workers: Mapping[str, Worker]
    stops: Sequence[NotedStop]


class OwnHost:
    """What the host inside a server asks, as workers do over the wire."""

    def __init__(self, host: str, attending: Attending) -> None:
        self._host = host
        self._attending = attending

    async def ask(self, word: Hello | Beat) -> Standing:
        """Have it heard that the host is there, or goes on."""
        if isinstance(word, Hello):
            return await self._attending.hello_of_server(self._host, word)
        return await self._attending.beat(self._host, word)


def _told(_error: BaseException) -> None:
    """Leave it to those who wait for the beats: each is told what they failed of."""
