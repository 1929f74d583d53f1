"""Workers let in and managed: a token, once, then a key; drained, changed, removed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from server.access import Actor, KnownBy, Principal
from server.errors import ConflictError, CredentialRefusedError, WorkerNotFoundError
from server.repositories.enrolments import (
    EnrolmentRepository,
    EnrolmentToken,
    Known,
    Newcomer,
    Place,
)
from server.services.access import credentials
from server.services.fleet.workers import WorkerPresence

TOKEN_SECONDS = 3600.0
"""For so long a token is good, unless it was used before."""

SERVER, WORKER = "server", "worker"
ANOTHER_TOKEN = "Have an admin make another one: `tailrun workers token`"  # noqa: S105  it is none


class NewToken(NamedTuple):
    """A token's secret, which is not to be had again, and until when it is good."""

    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every worker is told: where hosts meet, and how it knows servers there.

    `nats_ca` are certificates in PEM, None those of its system.
    """

    nats_url: tuple[str, ...]
    nats_ca: str | None
    verify_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be changed of a worker; None: it stays."""

    state: WorkerPresence | None = None
    pools: Sequence[str] | None = None
    labels: Sequence[str] | None = None
    places: int | None = None


class Enrolled(NamedTuple):
    """What a worker is told when it is enrolled."""

    name: str
    place: Place
    terms: Terms


class Enrolments:
    """Lets workers in, and manages them. Without `terms` no hosts meet here, and there are none.

    `on_changed` are called when a worker was changed or removed through this server.
    """

    def __init__(self, repository: EnrolmentRepository, terms: Terms | None) -> None:
        self._repository = repository
        self._terms = terms
        self.on_changed: list[Callable[[], None]] = []

    async def make_token(self, place: Place, *, by: Actor) -> NewToken:
        """Make a token, with which one worker is enrolled as this.

        Raises:
            ConflictError: there are too many, or hosts do not meet here.
        """
        self._met()
        secret = credentials.new_token(credentials.WORKER_PREFIX)
        digest = credentials.digest(secret)
        expires_at = await self._repository.add_token(digest, place, seconds=TOKEN_SECONDS, by=by)
        return NewToken(secret, expires_at)

    async def token(self, secret: str) -> EnrolmentToken:
        """Return a token by its secret, used or late as it may be.

        Raises:
            CredentialRefusedError: there is none; what has not its form is asked of nobody.
        """
        found = None
        if credentials.is_token(secret, credentials.WORKER_PREFIX):
            found = await self._repository.find_token(credentials.digest(secret))
        if found is None:
            raise CredentialRefusedError
        return found

    async def enrol(self, host: Newcomer, token: EnrolmentToken, *, by: Actor) -> Enrolled:
        """Let a worker in. Asked again, as where the answer was lost, it is answered the same.

        Raises:
            ConflictError: the token was used or is late; or the host's id, key or name is
                another's; or hosts do not meet here.
        """
        terms = self._met()
        known = await self._repository.in_conflict(host)
        place = Place(pools=token.pools, labels=token.labels, places=token.places)
        answer = Enrolled(host.name, place, terms)
        if token.used_by == host.id and _is_in(host, known):
            return answer
        _check_token(token)
        _check_host(host, known, token)
        if not await self._repository.enrol(host, token, by=by):
            _check_host(host, await self._repository.in_conflict(host), token)
            raise ConflictError(f"The token was used meanwhile. {ANOTHER_TOKEN}.")
        self._tell()
        return answer

    async def change(self, worker_id: str, changes: Changes, *, by: Actor) -> None:
        """Change a worker: drain it, have it go on, or be of other pools.

        Raises:
            WorkerNotFoundError: there is none.
            ConflictError: it was removed, or is a server's, whose pools are its settings.
        """
        worker = await self._known(worker_id)
        done = await self._repository.change(
            worker,
            state=changes.state,
            pools=changes.pools,
            labels=changes.labels,
            places=changes.places,
            by=by,
        )
        if not done:
            raise ConflictError(
                f"{worker.name} was removed: enrol it again, with another key."
                if worker.role == WORKER
                else f"{worker.name} is the host of a server, whose pools, labels and places are"
                " its settings (TAILRUN_WORKER_POOLS)."
            )
        self._tell()

    async def remove(self, worker_id: str, *, by: Actor) -> None:
        """Remove a worker: it gets nothing more, and its key is never let in again.

        Raises:
            WorkerNotFoundError: there is none.
            ConflictError: it was removed before, or is a server that is there.
        """
        worker = await self._known(worker_id)
        if not await self._repository.remove(worker, by=by):
            raise ConflictError(
                f"{worker.name} was removed before."
                if worker.state == WorkerPresence.REMOVED
                else f"{worker.name} is the host of a server that is there. End the server first."
            )
        self._tell()

    async def _known(self, worker_id: str) -> Known:
        worker = await self._repository.get(worker_id)
        if worker is None:
            raise WorkerNotFoundError.of(worker_id)
        return worker

    def _met(self) -> Terms:
        if self._terms is None:
            raise ConflictError(
                "No hosts meet here: set TAILRUN_NATS_URL, and start this server again."
            )
        return self._terms

    def _tell(self) -> None:
        for call in self.on_changed:
            call()


def principal_of(token: EnrolmentToken) -> Principal:
    """Return who made a token: it gives no right to do anything else in his name."""
    return Principal(name=token.made_by, known_by=KnownBy.TOKEN, credential=token.id)


def _is_in(host: Newcomer, known: Sequence[Known]) -> bool:
    return any(
        (one.id, one.public_key) == (host.id, host.public_key)
        and one.state != WorkerPresence.REMOVED
        for one in known
    )


def _check_token(token: EnrolmentToken) -> None:
    if token.used_by is not None:
        raise ConflictError(f"The token was used already: each enrols one worker. {ANOTHER_TOKEN}.")
    if token.expired:
        at = token.expires_at.isoformat(timespec="seconds")
        raise ConflictError(f"The token was good until {at}, for an hour. {ANOTHER_TOKEN}.")


def _check_host(host: Newcomer, known: Sequence[Known], token: EnrolmentToken) -> None:
    """Check that nothing of a newcomer is another's.

    Raises:
        ConflictError: it is.
    """
    for one in known:
        if one.public_key == host.public_key and one.state == WorkerPresence.REMOVED:
            raise ConflictError(
                f"This key is that of {one.name}, which was removed. Remove the file nats.seed"
                " from the worker's state directory, and enrol it again: it gets another key."
            )
        if one.id == host.id:
            _check_same(host, one, token)
        elif one.public_key == host.public_key:
            raise ConflictError(
                f"This key is that of {one.name}. Each worker has a state directory of its own,"
                " which is no copy of another's."
            )
        elif one.name == host.name and one.state != WorkerPresence.REMOVED:
            raise ConflictError(
                f"Another worker is called {one.name}. Give this one another name (--name), or"
                " remove that one, if it is no more."
            )


def _check_same(host: Newcomer, stored: Known, token: EnrolmentToken) -> None:
    if stored.role == SERVER:
        raise ConflictError(
            f"This is the state directory of a server, {stored.name}. Give the worker another one."
        )
    if stored.state == WorkerPresence.REMOVED:
        return
    if stored.public_key not in {None, host.public_key}:
        raise ConflictError(
            f"This worker is enrolled as {stored.name} with another key. Remove it first, if that"
            " key is lost."
        )
    if not {*stored.pools} <= {*token.pools}:
        raise ConflictError(
            f"This worker is of the pools {', '.join(stored.pools)}, and the token is for"
            f" {', '.join(token.pools)}. Use a token for all of its pools, or change the worker."
        )
