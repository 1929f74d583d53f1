"""Sign-ins under way: each is bound to the browser that began it, and finished at most once.

Nothing is stored of one that is under way, so that beginning many costs nothing. All of it follows
from a key of this process and from a secret that the browser alone has, in a cookie.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from server.services.access.oidc.failures import Reason, SignInFailedError

ATTEMPT_SECONDS = 600
"""How long somebody may take at the provider."""

MAX_REMEMBERED = 10_000
"""Finished sign-ins that are known as such. Beyond, the provider alone refuses a code that comes
twice."""

_STATE = re.compile(r"(?P<begun>[0-9]{1,19})\.(?P<proof>[A-Za-z0-9_-]{43})")
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A sign-in under way.

    `browser` is for the cookie. `state` comes back in the provider's answer (RFC 6749 §10.12),
    `nonce` in its ID token, and `verifier` proves that the code is ours (RFC 7636).
    """

    browser: str
    state: str
    nonce: str
    verifier: str


class Attempts:
    """Makes sign-ins, and finds them again; `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._finished: OrderedDict[str, None] = OrderedDict()

    def begin(self) -> Attempt:
        """Begin a sign-in."""
        return self._attempt(secrets.token_urlsafe(32), int(self._clock()))

    def finish(self, browser: str | None, state: str) -> Attempt:
        """Return the sign-in that a browser began with this state; once.

        Raises:
            SignInFailedError: there is no such, it began too long ago, or it is finished.
        """
        match = _STATE.fullmatch(state)
        if browser is None or match is None or not _BROWSER.fullmatch(browser):
            raise SignInFailedError(Reason.STALE, "this browser did not begin this sign-in")
        begun = int(match["begun"])
        attempt = self._attempt(browser, begun)
        if not hmac.compare_digest(attempt.state, state):
            raise SignInFailedError(Reason.STALE, "this browser did not begin this sign-in")
        if self._clock() - begun > ATTEMPT_SECONDS:
            raise SignInFailedError(Reason.STALE, "the sign-in began too long ago")
        if state in self._finished:
            raise SignInFailedError(Reason.STALE, "the sign-in is finished already")
        self._finished[state] = None
        if len(self._finished) > MAX_REMEMBERED:
            self._finished.popitem(last=False)
        return attempt

    def _attempt(self, browser: str, begun: int) -> Attempt:
        return Attempt(
            browser=browser,
            state=f"{begun}.{self._derived('state', browser, begun)}",
            nonce=self._derived("nonce", browser, begun),
            verifier=self._derived("verifier", browser, begun),
        )

    def _derived(self, purpose: str, browser: str, begun: int) -> str:
        text = f"{purpose} {browser} {begun}".encode()
        digest = hmac.digest(self._key, text, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
