"""Whose a request is: the one place where that is decided."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from aiohttp import hdrs, web

from server.access import ANONYMOUS, EVERY_GROUP, EVERYBODY, Principal, Right, Role
from server.errors import CredentialRefusedError, NotSignedInError, OtherPageError
from server.handlers.http.authority import is_loopback
from server.handlers.http.identity.addresses import Addresses
from server.handlers.http.identity.cookies import ENDED, SessionCookie
from server.handlers.http.identity.local import Local
from server.handlers.http.origins import Asked, cookie_refusal
from server.services.access.guesses import Check, Guesses, source_of
from server.services.access.remembered import Held
from server.settings.access import Auth

BEARER = "bearer"
COOKIE = "cookie"
TICKET = "ticket"
"""The parameter that carries one: a WebSocket's page, or a link, can send no header."""

READING = frozenset({"GET", "HEAD"})
_RUN = "/runs/{id}/"


class TokenCheck(Protocol):
    """Says whose a token is."""

    async def check(self, secret: str) -> Principal:
        """Return its principal; raises CredentialRefusedError."""
        ...


class SessionCheck(Protocol):
    """Says whose a session is."""

    async def check(self, value: str) -> Principal:
        """Return the principal by a cookie's value; raises CredentialRefusedError."""
        ...


class TicketTake(Protocol):
    """Says who may use a ticket."""

    def take(self, value: str, run_id: UUID | None) -> Principal:
        """Use a ticket up for a run, return its principal; raises CredentialRefusedError."""
        ...


class GrantsHeld(Protocol):
    """Says what a principal may."""

    async def held(self, principal: str) -> Held[Mapping[str, Role]]:
        """Return the roles by group, and whether the database is away."""
        ...


class Identity:
    """Finds a request's principal: by a token, a session's cookie, a ticket, or as a local user.

    The first that is given decides: where it is wrong, the others are not looked at. `auth` is
    what holds, with what the address to listen on implies.
    """

    def __init__(
        self,
        auth: Auth,
        addresses: Addresses,
        local: Local,
        guesses: Guesses,
        *,
        grants: GrantsHeld | None = None,
        base_path: str = "",
        tokens: TokenCheck | None = None,
        sessions: SessionCheck | None = None,
        tickets: TicketTake | None = None,
    ) -> None:
        self.auth = auth
        self._addresses = addresses
        self._local = local
        self._guesses = guesses
        self._grants = grants
        self._base_path = base_path
        self._tokens = tokens
        self._sessions = sessions
        self._tickets = tickets

    async def of(self, request: web.Request) -> Principal:
        """Return whose a request is; ANONYMOUS where nothing tells.

        Raises:
            CredentialRefusedError: its credential is nobody's.
            OtherPageError: it has a cookie, and is not known to be of our own page.
            TooManyGuessesError: too many wrong ones came from its address.
            DatabaseUnavailableError: its credential cannot be looked up.
        """
        if self.auth == "off":
            # The command line is somebody: a token that it makes outlives this setting.
            return self._local.of(request) or EVERYBODY
        if (secret := _bearer(request)) is not None:
            return await self.checked(request, secret, _check_of(self._tokens), kind=BEARER)
        if (value := self.session_value(request)) is not None:
            return await self._signed_in(request, value)
        if (ticket := _ticket(request)) is not None:
            return await self.checked(request, ticket, self._take_for(request), kind=TICKET)
        who = self._local.of(request)
        return ANONYMOUS if who is None else await self._with_all_grants(who)

    def not_signed_in(self, request: web.Request) -> NotSignedInError:
        """Return the error for a request that is nobody's, where somebody is needed."""
        text = "Nobody is signed in: this takes a token, or a session."
        why = self._local.why_not(request)
        return NotSignedInError(text if why is None else f"{text} {why}")

    async def checked(
        self, request: web.Request, credential: str, check: Check, *, kind: str
    ) -> Principal:
        """Check a credential that a request gives, wherever it has it; wrong ones are counted.

        Raises:
            CredentialRefusedError: it is nobody's.
            TooManyGuessesError: too many wrong ones came from the request's address.
        """
        return await self._guesses.check(self._source(request), credential, check, kind=kind)

    async def _with_all_grants(self, who: Principal) -> Principal:
        """Add what others have granted to a local user; the own user may everything anyway."""
        if self._grants is None or who.may(Right.GOVERN, EVERY_GROUP):
            return who
        held = await self._grants.held(who.name)
        return replace(who, grants=held.value, stale=held.stale)

    def session_cookie(self, request: web.Request) -> SessionCookie | None:
        """Return a session's cookie, as it is called where a request was sent to.

        None: there may be none.
        """
        return SessionCookie.at(
            request.host,
            secure=self._addresses.is_secure(request),
            base_path=self._base_path,
        )

    def session_value(self, request: web.Request) -> str | None:
        """Return the value of a session's cookie; None where there is none.

        Raises:
            OtherPageError: there is one, and the request is not known to be of our own page.
        """
        cookie = self.session_cookie(request) if hdrs.COOKIE in request.headers else None
        value = None if cookie is None else request.cookies.get(cookie.name)
        if value is None:
            return None
        refused = cookie_refusal(Asked.of(request, self._addresses.scheme(request)))
        if refused is not None:
            raise OtherPageError(refused)
        return value

    def address(self, request: web.Request) -> str:
        """Return the client's address; a forwarded one from trusted proxies alone."""
        return self._addresses.client(request)

    def _source(self, request: web.Request) -> str:
        """Return what guesses are counted by: on this host, by user."""
        address = self.address(request)
        if is_loopback(address) and request.transport is not None:
            # By the user alone: a user of this host has all of 127.0.0.0/8 to come from.
            return f"uid {self._local.uid_of(request.transport)}"
        return source_of(address)

    async def _signed_in(self, request: web.Request, value: str) -> Principal:
        try:
            return await self.checked(request, value, _check_of(self._sessions), kind=COOKIE)
        except CredentialRefusedError:
            if (cookie := self.session_cookie(request)) is not None:
                request[ENDED] = cookie
            raise

    def _take_for(self, request: web.Request) -> Check:
        async def take(value: str) -> Principal:
            if self._tickets is None:
                raise CredentialRefusedError
            return self._tickets.take(value, _run_id(request))

        return take


def _check_of(checker: TokenCheck | SessionCheck | None) -> Check:
    return _refuse if checker is None else checker.check


async def _refuse(_credential: str) -> Principal:
    raise CredentialRefusedError


def _bearer(request: web.Request) -> str | None:
    """Return the token in the header Authorization; other schemes are not ours.

    A proxy may ask for a password itself, and pass that on.
    """
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    parts = [one.strip().partition(" ") for one in given]
    tokens = [secret.strip() for scheme, _, secret in parts if scheme.lower() == BEARER]
    if len(tokens) > 1:
        raise CredentialRefusedError
    return tokens[0] if tokens else None


def _ticket(request: web.Request) -> str | None:
    if TICKET not in request.query_string or request.method not in READING:
        return None
    return request.query.get(TICKET)


def _run_id(request: web.Request) -> UUID | None:
    """Return the id of the run that a request is about."""
    resource = request.match_info.route.resource
    if resource is None or _RUN not in resource.canonical:
        return None
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        return None
