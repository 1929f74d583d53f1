"""Workers that say that they are there: hellos and beats, and what each may claim."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from server.errors import ForbiddenError, NotFoundError, OtherLifeError
from server.repositories.losses import ENDING_SECONDS
from server.repositories.workers import (
    MAX_STOPS,
    OF_BEFORE,
    LetIn,
    NotedStop,
    Said,
    Worker,
    WorkerRepository,
)
from server.services.fleet.lease import Lease
from server.services.fleet.removed import WAS_REMOVED
from server.services.tasks import Tasks
from server.wire.messages import Beat, Hello, Life, Standing, StopWanted, WorkerState
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

MAX_LIVES = 200
MAX_LIFE_CHARACTERS = 64
MAX_AGE = 2**62
"""Of a process, as it is said."""

COPIED = (
    "Another process is there as {}, or was until a moment ago. If this one was just started again,"
    " it is let in once the lease of that one is over, within {:g} s. If it goes on: this"
    " state directory is a copy of that one's, or that one's of this. Of one of the two end"
    " Tailrun, remove all that is in its state directory, and for a worker say `tailrun worker"
    " enroll URL --token TOKEN` there: it becomes a host of its own."
)

GIVEN_UP = (
    "%s is there again, with a state directory that is a copy, or older than what it had before:"
    " runs that it had, which are given up as nobody knows whether they go on: %d"
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
        self.on_given_up: Callable[[Sequence[UUID]], None] = lambda _: None
        """Called with runs that were given up, as their host does not know of them any more."""
        self._version = version
        self._workers = workers
        self._lease = lease
        self._tasks = tasks
        self._gather_seconds = gather_seconds
        self._gathered: dict[tuple[str, str | None], _Gathered] = {}
        self._beats: asyncio.Task[_Heard] | None = None

    @property
    def handlers(self) -> Mapping[str, FromWorker]:
        """What answers each word."""
        return {"hello": self.hello, "beat": self.beat}

    async def hello(self, host: str, request: Hello) -> Standing:
        """Let a worker in.

        Raises:
            ForbiddenError: it is not enrolled, or was removed.
            OtherLifeError: another process of this host has the lease.
        """
        heard = await self._workers.hello(
            host,
            _said(request.life),
            version=line(request.version, MAX_VERSION_CHARACTERS),
            lease_seconds=self._lease.seconds,
        )
        if heard is None:
            raise ForbiddenError(NOT_ENROLLED.format(host))
        return self._let_in(heard)

    async def hello_of_server(self, host: str, request: Hello) -> Standing:
        """Let the host inside a server in.

        Raises:
            OtherLifeError: another process of this host has the lease.
        """
        heard = await self._workers.hello_of_server(
            host,
            _said(request.life),
            name=request.name,
            version=request.version,
            pools=request.pools,
            labels=request.labels,
            places=request.places,
            lease_seconds=self._lease.seconds,
        )
        return self._let_in(heard)

    async def beat(self, host: str, request: Beat) -> Standing:
        """Extend a worker's lease, together with others; it is answered once that is stored.

        Raises:
            NotFoundError: it is not known (any more): it is to say hello.
            ForbiddenError: it was removed.
            OtherLifeError: another process of this host has the lease; it may say hello.
        """
        if self._beats is None:
            self._gathered = {}
            self._beats = self._tasks.start_for_run(self._gather(), "beats", _told)
        gathered = self._gathered.setdefault((host, _id(request.life)), _Gathered())
        gathered.add(request)
        heard = await asyncio.shield(self._beats)
        found = heard.workers.get(host)
        if found is None:
            raise NotFoundError(f"There is no worker {host}.")
        worker, has_beaten = found
        if worker.state != WorkerState.REMOVED and not (
            has_beaten and worker.life == _id(request.life)
        ):
            raise self._refusal(worker)
        return self._standing(worker, [stop for stop in heard.stops if stop.host == host])

    def _let_in(self, heard: LetIn) -> Standing:
        if not heard.is_in:
            raise self._refusal(heard.worker)
        if heard.given_up:
            logger.warning(GIVEN_UP, heard.worker.name, len(heard.given_up))
            self.on_given_up(heard.given_up)
        return self._standing(heard.worker)

    def _refusal(self, worker: Worker) -> OtherLifeError:
        """Say that another process has the lease, and how long one that is over may have it."""
        return OtherLifeError(COPIED.format(worker.name, self._lease.seconds + ENDING_SECONDS))

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
            life=worker.life,
            stops=tuple(
                StopWanted(run_id=one.run_id, signal=one.signal, grace_seconds=one.grace_seconds)
                for one in stops
            ),
        )

    async def _gather(self) -> "_Heard":
        await asyncio.sleep(self._gather_seconds)
        gathered, self._beats = self._gathered, None  # whoever beats now is in the next ones
        stopped = [(host, run_id) for (host, _), one in gathered.items() for run_id in one.stopped]
        if stopped:
            await self._workers.note_stopped(stopped)
        said = [(host, Said(id=life, age=one.age)) for (host, life), one in gathered.items()]
        workers = await self._workers.beat(said, self._lease.seconds)
        return _Heard(workers, await self._workers.stops(workers))


@dataclass(slots=True)
class _Gathered:
    """What a process of a host has said with beats that are stored together."""

    stopped: frozenset["UUID"] = frozenset()
    age: int = 0

    def add(self, beat: Beat) -> None:
        stopped = self.stopped | beat.stopped
        self.stopped = frozenset([*stopped][:MAX_STOPS])  # as many as it was told of
        self.age = max(self.age, _age(beat.age))


class _Heard(NamedTuple):
    """The workers that have said that they go on, whether each does, and what they are to stop."""

    workers: Mapping[str, tuple[Worker, bool]]
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


def _said(life: Life | None) -> Said:
    if life is None:
        return OF_BEFORE
    before = [line(one, MAX_LIFE_CHARACTERS) for one in life.before[:MAX_LIVES]]
    return Said(id=_id(life.id), before=before, are_over=life.are_over, age=_age(life.age))


def _id(life: str | None) -> str | None:
    return None if life is None else line(life, MAX_LIFE_CHARACTERS)


def _age(age: int) -> int:
    """Return an age that the database can store: what one worker says must not fail others."""
    return min(max(age, 0), MAX_AGE)


def _told(_error: BaseException) -> None:
    """Leave it to those who wait for the beats: each is told what they failed of."""
