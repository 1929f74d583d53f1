"""How senders sign what they send to a hook. Pure.

`github`: X-Hub-Signature-256 is the HMAC-SHA256 of the body, in hexadecimal
(https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries).
`gitlab`: X-Gitlab-Token is the secret itself
(https://docs.gitlab.com/user/project/integrations/webhooks).
`standard`: webhook-signature has HMACs of id, time and body, in base64
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import binascii
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.models import HookScheme

TOLERANCE_SECONDS = 300.0
"""How far the time of a delivery may be from ours, where the scheme has one."""

STANDARD_PREFIX = "whsec_"
SECRET_BYTES = 32
LEAST_SECRET_CHARACTERS, MOST_SECRET_CHARACTERS = 16, 256
LEAST_KEY_BYTES, MOST_KEY_BYTES = 24, 64
"""Of the key in a secret of Standard Webhooks, as that asks for."""

MOST_SIGNATURES = 10
"""In one header: a sender that renews its secret signs with both."""

PING = "ping"
"""What GitHub sends when a hook was made: it asks for no more than an answer."""

_ID = re.compile(r"[!-~]{1,255}")
_TIME = re.compile(r"[0-9]{1,12}")
_EVENT_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Sent:
    """What came to a hook; the headers' names are in lower case."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header, empty where there is none."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Names:
    """The headers of a scheme that name a delivery, the first that is there, and its event."""

    ids: tuple[str, ...]
    event: str | None


NAMES: Mapping[HookScheme, Names] = {
    HookScheme.GITHUB: Names(("x-github-delivery",), "x-github-event"),
    HookScheme.GITLAB: Names(("idempotency-key", "x-gitlab-event-uuid"), "x-gitlab-event"),
    HookScheme.STANDARD: Names(("webhook-id",), None),
}


def new_secret(scheme: HookScheme) -> str:
    """Return a secret that nobody can guess."""
    if scheme is HookScheme.STANDARD:
        return STANDARD_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return secrets.token_urlsafe(SECRET_BYTES)


def secret_problem(scheme: HookScheme, secret: str) -> str | None:
    """Say why a secret will not do; None: it will."""
    if scheme is HookScheme.STANDARD:
        key = _key_of(secret)
        if key is None or not LEAST_KEY_BYTES <= len(key) <= MOST_KEY_BYTES:
            return (
                f"It must be {STANDARD_PREFIX} and {LEAST_KEY_BYTES} to {MOST_KEY_BYTES} bytes in"
                " base64, as Standard Webhooks has it."
            )
    elif not LEAST_SECRET_CHARACTERS <= len(secret) <= MOST_SECRET_CHARACTERS:
        return (
            f"It must have {LEAST_SECRET_CHARACTERS} to {MOST_SECRET_CHARACTERS} characters: who"
            " guesses it starts runs."
        )
    elif not _ID.fullmatch(secret):
        return "It must be visible ASCII characters, without blanks."
    return None


def is_signed(scheme: HookScheme, secret: str, sent: Sent, now: float) -> bool:
    """Return whether whoever knows the secret has sent it, lately where the scheme has a time.

    `now` is in Unix seconds. How long it takes does not depend on the secret.
    """
    return _CHECKS[scheme](secret, sent, now)


def delivery_of(scheme: HookScheme, sent: Sent) -> str | None:
    """Return what names the delivery, so that it counts once; None: nothing does."""
    given = (sent.header(name) for name in NAMES[scheme].ids)
    return next((one for one in given if _ID.fullmatch(one)), None)


def event_of(scheme: HookScheme, sent: Sent, document: object) -> str | None:
    """Return which event it is; Standard Webhooks has it in the body, as `type`."""
    header = NAMES[scheme].event
    if header is not None:
        return sent.header(header)[:_EVENT_CHARACTERS] or None
    event = document.get("type") if isinstance(document, dict) else None
    return event[:_EVENT_CHARACTERS] if isinstance(event, str) else None


def _key_of(secret: str) -> bytes | None:
    try:
        return b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None


def _github(secret: str, sent: Sent, _now: float) -> bool:
    expected = hmac.new(secret.encode(), sent.body, hashlib.sha256).hexdigest()
    return _same(f"sha256={expected}", sent.header("x-hub-signature-256"))


def _gitlab(secret: str, sent: Sent, _now: float) -> bool:
    return _same(secret, sent.header("x-gitlab-token"))


def _standard(secret: str, sent: Sent, now: float) -> bool:
    delivery, moment = sent.header("webhook-id"), sent.header("webhook-timestamp")
    signed = f"{delivery}.{moment}.".encode(errors="surrogateescape") + sent.body
    key = _key_of(secret)
    expected = hmac.new(key or b"", signed, hashlib.sha256).digest()
    given = sent.header("webhook-signature").split()[:MOST_SIGNATURES]
    # Each is compared, so that how long it takes does not tell which one it was.
    fits = [_same(f"v1,{b64encode(expected).decode()}", one) for one in given]
    is_named = _ID.fullmatch(delivery) is not None
    is_late = not _TIME.fullmatch(moment) or abs(now - int(moment)) > TOLERANCE_SECONDS
    return key is not None and any(fits) and is_named and not is_late


def _same(expected: str, given: str) -> bool:
    """Compare in a time that tells nothing of what is expected, not even its length."""
    one, other = (
        hashlib.sha256(text.encode(errors="surrogateescape")).digest() for text in (expected, given)
    )
    return hmac.compare_digest(one, other)


_CHECKS: Mapping[HookScheme, Callable[[str, Sent, float], bool]] = {
    HookScheme.GITHUB: _github,
    HookScheme.GITLAB: _gitlab,
    HookScheme.STANDARD: _standard,
}
