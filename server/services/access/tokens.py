"""Tokens: made, shown once, checked at each request, revoked."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from server.access import Actor, KnownBy, Principal, Right, Role, Token, narrowed
from server.errors import CredentialRefusedError, ForbiddenError
from server.repositories.access.tokens import FoundToken, TokenRepository, token_not_found
from server.repositories.page import Page
from server.services.access import credentials
from server.services.access.grants import Grants
from server.services.access.remembered import Held, Remembered
from server.services.tasks import forever

DEFAULT_LIFE = timedelta(days=90)
MAX_LIFE = timedelta(days=366)

NOTED_AFTER = timedelta(minutes=1)
"""Between two times that the last use of a token is noted."""

GATHER_SECONDS = 2.0
"""Between two statements that note uses, each those of all tokens."""


class NewToken(NamedTuple):
    """A token and its secret, which is not to be had again."""

    token: Token
    secret: str


@dataclass(slots=True)
class _Known:
    """A valid token; `noted` says that its use need not be written down now.

    `ends_at` is of the monotonic clock, so that a clock that is set back adds nothing to its life.
    """

    token: Token
    ends_at: float
    noted: bool


class Tokens:
    """The tokens of principals.

    One that was checked is known for some seconds without a query, and in an outage of the database
    for some minutes, to read; what is revoked here is forgotten at once.
    """

    def __init__(
        self,
        repository: TokenRepository,
        grants: Grants,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._grants = grants
        self._clock = clock
        self._known = Remembered(self._ask, clock=clock)
        self._known_by_id = Remembered(self._ask_by_id, clock=clock)
        self._revoked: list[Callable[[UUID], None]] = []
        self._uses: dict[UUID, datetime] = {}
        self._used = asyncio.Event()

    def on_revoked(self, callback: Callable[[UUID], None]) -> None:
        """Have a callback called with the id of each token that is revoked through this server."""
        self._revoked.append(callback)

    async def check(self, secret: str) -> Principal:
        """Return who acts by a token: its owner, with what of his rights the token has.

        What has not the form of a token is refused before anybody is asked. That is no hint: form
        and checksum are public. All others are looked up by their hash in the same way.

        Raises:
            CredentialRefusedError: it is no token, unknown, expired or revoked; nobody is told
                which.
            DatabaseUnavailableError: the database is away, and the token is not known of late.
        """
        if not credentials.is_token(secret):
            raise CredentialRefusedError
        held = await self._known.get(credentials.digest(secret))
        self._note(held.value)
        return await self._principal(held)

    async def look_again(self, token_id: UUID) -> Principal:
        """Return who acts by a token that was checked before: for what lasts longer than a request.

        Raises:
            CredentialRefusedError: it has expired, or was revoked.
            DatabaseUnavailableError: the database is away, and the token is not known of late.
        """
        return await self._principal(await self._known_by_id.get(token_id))

    async def create(
        self, *, name: str, role: Role, group: str, expires_at: datetime | None, by: Actor
    ) -> NewToken:
        """Make a token of the one who acts, with at most his role in the group.

        Without `expires_at` it is good for DEFAULT_LIFE. One that is made by a token ends with that
        one at the latest, and makes none itself.

        Raises:
            ForbiddenError: it would have a higher role, or live longer, than the one who acts.
            ConflictError: he has too many.
        """
        principal = by.principal
        held = principal.role_in(group)
        if principal.run is not None or held is None or held.rank < role.rank:
            has = "no role" if held is None else f"the role {held}"
            raise ForbiddenError(
                f"A token has at most the role of the one who makes it, who has {has} in this"
                " group."
            )
        expires_at = expires_at or datetime.now(UTC) + DEFAULT_LIFE
        made_by = principal.credential if principal.known_by is KnownBy.TOKEN else None
        if made_by is not None:
            expires_at = await self._bounded(made_by, expires_at)
        secret = credentials.new_token()
        token = await self._repository.add(
            credentials.digest(secret),
            name=name,
            role=role,
            group=group,
            expires_at=expires_at,
            by=by,
            made_by=made_by,
        )
        return NewToken(token, secret)

    async def list(
        self, *, owner: str | None, limit: int, cursor: str | None, by: Principal
    ) -> Page[Token]:
        """Return tokens, newest first: all of an admin's choice, or those of the one who asks.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        if not _governs(by):
            if owner not in {None, by.name}:
                return Page([], None)
            owner = by.name
        return await self._repository.list(owner=owner, limit=limit, cursor=cursor)

    async def revoke(self, token_id: UUID, *, by: Actor) -> None:
        """Revoke a token, and those that it made; one that is revoked already stays so.

        Raises:
            TokenNotFoundError: there is none, or it is somebody else's.
            ForbiddenError: a token asks, which is neither this one nor made this one.
        """
        principal = by.principal
        found = await self._repository.get(token_id)
        if found is None or not (_governs(principal) or found.token.owner == principal.name):
            raise token_not_found(token_id)
        # Or one that leaked could end all others of its owner.
        is_own = principal.credential in {token_id, found.token.made_by}
        if principal.known_by is KnownBy.TOKEN and not (is_own or _governs(principal)):
            raise ForbiddenError("A token revokes itself and those that it made, and no others.")
        for revoked in {token_id, *await self._repository.revoke(found.token, by=by)}:
            self._forget(revoked)

    async def note_uses(self) -> None:
        """Write down when tokens were used, forever: off the requests' way."""

        async def write() -> None:
            await self._used.wait()
            uses, self._uses = self._uses, {}
            self._used.clear()
            await self._repository.note_uses(uses)

        await forever(write, seconds=GATHER_SECONDS, name="noting the uses of tokens")

    async def _ask(self, digest: bytes) -> _Known:
        return self._valid(await self._repository.find(digest))

    async def _ask_by_id(self, token_id: UUID) -> _Known:
        return self._valid(await self._repository.get(token_id))

    def _valid(self, found: FoundToken | None) -> _Known:
        """Take a token for valid that neither clock, ours nor the database's, calls expired."""
        if found is None or found.token.revoked_at is not None:
            raise CredentialRefusedError
        now = datetime.now(UTC)
        seconds_left = min((found.token.expires_at - now).total_seconds(), found.seconds_left)
        if seconds_left <= 0:
            raise CredentialRefusedError
        used_at = found.token.last_used_at
        noted = used_at is not None and timedelta() <= now - used_at < NOTED_AFTER
        return _Known(found.token, self._clock() + seconds_left, noted)

    async def _principal(self, held: Held[_Known]) -> Principal:
        token = held.value.token
        if self._clock() >= held.value.ends_at:
            raise CredentialRefusedError
        grants = await self._grants.held(token.owner)
        return Principal(
            name=token.owner,
            known_by=KnownBy.TOKEN,
            grants=narrowed(grants.value, token.role, token.group),
            credential=token.id,
            label=token.name,
            stale=held.stale or grants.stale,
        )

    async def _bounded(self, maker: UUID, expires_at: datetime) -> datetime:
        """Return when a token ends that another one makes: with that one, at the latest."""
        found = await self._repository.get(maker)
        if found is None:
            raise CredentialRefusedError
        if found.token.made_by is not None:
            raise ForbiddenError("A token that was made by a token makes no further one.")
        return min(expires_at, found.token.expires_at)

    def _note(self, known: _Known) -> None:
        if not known.noted:
            known.noted = True
            self._uses[known.token.id] = datetime.now(UTC)
            self._used.set()

    def _forget(self, token_id: UUID) -> None:
        self._known.forget_where(lambda known: known.token.id == token_id)
        self._known_by_id.forget(token_id)
        for callback in self._revoked:
            callback(token_id)


def _governs(principal: Principal) -> bool:
    return principal.may(Right.GOVERN, "")
