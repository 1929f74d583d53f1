"""Sessions: who is signed in at a browser, by the value of its cookie."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from server.access import Actor, KnownBy, Principal
from server.errors import CredentialRefusedError, DatabaseUnavailableError
from server.repositories.access.sessions import Session, SessionRepository
from server.services.access.credentials import digest, new_value
from server.services.access.grants import Grants
from server.services.access.remembered import Held, Remembered

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
"""A session ends when it was not used for the first, and in any case after the second."""

USED_EVERY = timedelta(minutes=1)
"""That a session is used is stored so often, at most."""

CLOCK_STEP = timedelta(minutes=5)
"""By so much a clock may be set back; by more, sessions that began after that time are refused."""

SESSIONS_OF_ONE = 100
"""Of one principal; the eldest ends for a further one."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A session that was valid, and until when it is, by the monotonic clock."""

    session: Session
    ends_at: float


class Sessions:
    """All sessions.

    One that was looked at is known for some seconds without a query, and in an outage of the
    database for some minutes, to read; one that ends here is forgotten at once. `now` is the time
    of day, `clock` a monotonic one, in seconds.
    """

    def __init__(
        self,
        repository: SessionRepository,
        grants: Grants,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._grants = grants
        self._now = now
        self._clock = clock
        self._known = Remembered(self._ask, clock=clock)
        self._known_by_id = Remembered(self._ask_by_id, clock=clock)
        self._on_ended: list[Callable[[UUID], None]] = []

    def on_ended(self, callback: Callable[[UUID], None]) -> None:
        """Have a callback called with the id of each session that is ended through this server."""
        self._on_ended.append(callback)

    async def create(self, by: Actor, *, replaced: str | None = None) -> str:
        """Sign in the one who acts; return the cookie's value, which is new and stored nowhere.

        `replaced` is the value that the browser had before: that session ends.

        Raises:
            DatabaseUnavailableError: it cannot be stored now.
        """
        value, now = new_value(), self._now()
        ended = await self._repository.create(
            digest(value),
            by=by,
            now=now,
            expires_at=now + LONGEST,
            idle_since=now - IDLE,
            others=SESSIONS_OF_ONE - 1,
            replaced=None if replaced is None else digest(replaced),
        )
        for session_id in ended:
            self._forget(session_id)
        return value

    async def check(self, value: str) -> Principal:
        """Return who is signed in by a cookie's value; mostly without a query.

        Raises:
            CredentialRefusedError: there is no such session, or it has ended; nobody is told which.
            DatabaseUnavailableError: the database is away, and the session is not known of late.
        """
        return await self._principal(await self._known.get(digest(value)))

    async def look_again(self, session_id: UUID) -> Principal:
        """Return who is signed in by a session that was checked before: to watch is to use it.

        Raises:
            CredentialRefusedError: it has ended.
            DatabaseUnavailableError: the database is away, and the session is not known of late.
        """
        return await self._principal(await self._known_by_id.get(session_id))

    async def end(self, value: str, *, address: str) -> None:
        """Sign out; harmless if there is no such session. `address` is the client's.

        Raises:
            DatabaseUnavailableError: it cannot be ended now.
        """
        session = await self._repository.find(digest(value))
        if session is None:
            return
        by = Actor(Principal(name=session.principal, known_by=KnownBy.SESSION), address)
        if await self._repository.end(session.id, by=by):
            self._forget(session.id)

    async def _ask(self, hashed: bytes) -> _Known:
        return await self._use(await self._repository.find(hashed))

    async def _ask_by_id(self, session_id: UUID) -> _Known:
        return await self._use(await self._repository.get(session_id))

    async def _use(self, session: Session | None) -> _Known:
        """Take a session for valid, and store once in a while that it is used."""
        if session is None:
            raise CredentialRefusedError
        now = self._now()
        # A clock that was set back must not give sessions back the time that they had already.
        is_early = session.created_at > now + CLOCK_STEP
        if is_early or now >= session.expires_at or now - session.used_at >= IDLE:
            raise CredentialRefusedError
        if abs(now - session.used_at) >= USED_EVERY:
            with suppress(DatabaseUnavailableError):  # one that is read-only answers all the same
                await self._repository.use(session.id, now)
        left = min(session.expires_at - now, IDLE)
        return _Known(session, self._clock() + left.total_seconds())

    async def _principal(self, held: Held[_Known]) -> Principal:
        session = held.value.session
        if self._clock() >= held.value.ends_at:
            raise CredentialRefusedError
        grants = await self._grants.held(session.principal)
        return Principal(
            name=session.principal,
            known_by=KnownBy.SESSION,
            grants=grants.value,
            credential=session.id,
            stale=held.stale or grants.stale,
        )

    def _forget(self, session_id: UUID) -> None:
        self._known.forget_where(lambda known: known.session.id == session_id)
        self._known_by_id.forget(session_id)
        for callback in self._on_ended:
            callback(session_id)
