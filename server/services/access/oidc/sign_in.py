"""Signing in at a provider of OpenID Connect: there and back, and what it gives here."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from server.repositories.access.principals import PrincipalRepository
from server.services.access.allowance import Allowance
from server.services.access.grants import Grants
from server.services.access.oidc.attempts import Attempt, Attempts
from server.services.access.oidc.claims import Claims, granted, principal_name
from server.services.access.oidc.failures import Reason, SignInFailedError
from server.settings.access import OidcSettings

MAX_AT_ONCE = 20
"""Sign-ins for which the provider is being asked."""

MAX_CODE_CHARACTERS = 4096
DENIED = frozenset({"access_denied", "login_required", "consent_required", "interaction_required"})
"""What providers say when the person, or whoever looks after them, did not agree."""

logger = logging.getLogger(__name__)


class Asked(Protocol):
    """A provider that is asked; see provider.py for what both raise."""

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Return where to send the browser."""
        ...

    async def claims(
        self, attempt: Attempt, code: str, redirect_uri: str, *, said_issuer: str | None
    ) -> Claims:
        """Return what the provider says of the person whom it gave this code."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider has the browser bring back (RFC 6749 §4.1.2, RFC 9207)."""

    state: str
    code: str | None = None
    error: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that was begun: where to send the browser, and the value of its cookie."""

    url: str
    browser: str


class OidcSignIn:
    """People's sign-ins at one provider."""

    def __init__(
        self,
        settings: OidcSettings,
        provider: Asked,
        attempts: Attempts,
        principals: PrincipalRepository,
        grants: Grants,
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._attempts = attempts
        self._principals = principals
        self._grants = grants
        self._under_way = 0
        self._told = Allowance()

    async def begin(self, redirect_uri: str) -> Begun:
        """Begin a sign-in, which leads back to `redirect_uri`.

        Raises:
            SignInFailedError: the provider cannot be asked what it is like.
        """
        async with self._one_more():
            attempt = self._attempts.begin()
            url = await self._provider.authorization_url(attempt, redirect_uri)
            return Begun(url=url, browser=attempt.browser)

    async def finish(self, answer: Answer, browser: str | None, redirect_uri: str) -> str:
        """Return the name of the principal who signs in by an answer that a browser brings.

        What the provider says gives is stored first, so that who has lost it has lost it here.

        Raises:
            SignInFailedError: the answer is refused, or nothing here is for this person.
            DatabaseUnavailableError: what it gives cannot be stored now.
        """
        attempt = self._attempts.finish(browser, answer.state)
        if answer.error is not None:
            reason = Reason.DENIED if answer.error in DENIED else Reason.REFUSED
            raise SignInFailedError(reason, f"the provider says {answer.error[:100]!r}")
        if answer.code is None or not 0 < len(answer.code) <= MAX_CODE_CHARACTERS:
            raise SignInFailedError(Reason.REFUSED, "the provider's answer has no code")
        async with self._one_more():
            claims = await self._provider.claims(
                attempt, answer.code, redirect_uri, said_issuer=answer.issuer
            )
        name = principal_name(claims, self._settings.principal_claim)
        given = granted(claims, self._settings.grants_claim, self._settings.grants)
        await self._principals.remember(name, given)
        self._grants.forget(name)
        if not await self._grants.of(name):  # with what was granted here
            raise SignInFailedError(Reason.NO_ACCESS, f"{name!r} has no role here")
        return name

    def tell(self, error: Exception) -> None:
        """Have the log say why a sign-in failed; not of each, where somebody floods us."""
        if self._told.take(time.monotonic()):
            logger.warning("sign-in failed: %s", error)

    @asynccontextmanager
    async def _one_more(self) -> AsyncIterator[None]:
        """Ask the provider for so many at once: a slow one must not gather requests here."""
        if self._under_way >= MAX_AT_ONCE:
            raise SignInFailedError(Reason.BUSY, f"{MAX_AT_ONCE} are signing in already")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
