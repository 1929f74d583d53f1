"""Signatures of hooks: examples of those who made the schemes, and what is not signed."""

import base64
import hashlib
import hmac

import pytest

from server.models import HookScheme
from server.services.hooks.schemes import (
    Sent,
    delivery_of,
    event_of,
    is_signed,
    new_secret,
    secret_problem,
)

GITHUB, GITLAB, STANDARD = HookScheme
NOW = 1614265330.0

# https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
GITHUBS_SECRET, GITHUBS_BODY = "It's a Secret to Everybody", b"Hello, World!"
GITHUBS_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

# https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests
STANDARDS_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
STANDARDS_BODY = b'{"test": 2432232314}'
STANDARDS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_githubs_own_example_is_signed_and_nothing_else() -> None:
    def signed(signature: str, body: bytes = GITHUBS_BODY) -> bool:
        headers = {"x-hub-signature-256": signature}
        return is_signed(GITHUB, GITHUBS_SECRET, Sent(headers, body), NOW)

    assert signed(GITHUBS_SIGNATURE)
    assert not signed(GITHUBS_SIGNATURE, b"Hello, World?")
    assert not signed(GITHUBS_SIGNATURE.removeprefix("sha256="))
    assert not signed(GITHUBS_SIGNATURE.replace("7", "8", 1))
    assert not signed("")
    assert not signed("\udcff")
    assert not is_signed(GITHUB, GITHUBS_SECRET, Sent({}, GITHUBS_BODY), NOW)


def test_gitlabs_token_is_the_secret() -> None:
    secret = new_secret(GITLAB)
    for token, expected in [(secret, True), (secret[:-1], False), ("", False), ("\udcff", False)]:
        headers = {"x-gitlab-token": token}
        assert is_signed(GITLAB, secret, Sent(headers, b"{}"), NOW) is expected


def test_the_example_of_standard_webhooks_is_signed() -> None:
    assert is_signed(STANDARD, STANDARDS_SECRET, Sent(STANDARDS, STANDARDS_BODY), NOW)
    others = "v1,bm9uZQ== v1a,Zm9v " + STANDARDS["webhook-signature"]
    several = {**STANDARDS, "webhook-signature": others}
    assert is_signed(STANDARD, STANDARDS_SECRET, Sent(several, STANDARDS_BODY), NOW)


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({}, 301),
        ({}, -301),
        ({"webhook-id": "another"}, 0),
        ({"webhook-id": ""}, 0),
        ({"webhook-timestamp": "1614265331"}, 0),
        ({"webhook-timestamp": "now"}, 0),
        ({"webhook-timestamp": "9" * 400}, 0),
        ({"webhook-signature": ""}, 0),
        ({"webhook-signature": STANDARDS["webhook-signature"].replace("v1,", "v2,")}, 0),
        ({"webhook-signature": "v1,x " * 10 + STANDARDS["webhook-signature"]}, 0),
    ],
    ids=[
        "late",
        "early",
        "other-id",
        "no-id",
        "other-time",
        "no-time",
        "long-time",
        "none",
        "other-version",
        "too-many",
    ],
)
def test_what_is_not_signed_or_not_lately_is_refused(headers: dict[str, str], after: float) -> None:
    sent = Sent({**STANDARDS, **headers}, STANDARDS_BODY)
    assert not is_signed(STANDARD, STANDARDS_SECRET, sent, NOW + after)


def test_a_secret_that_is_no_key_signs_nothing() -> None:
    """It was put into the table by hand: whoever knows that must not sign with an empty key."""
    signed = f"{STANDARDS['webhook-id']}.1614265330.".encode() + STANDARDS_BODY
    digest = base64.b64encode(hmac.new(b"", signed, hashlib.sha256).digest()).decode()
    sent = Sent({**STANDARDS, "webhook-signature": f"v1,{digest}"}, STANDARDS_BODY)
    assert not is_signed(STANDARD, "whsec_?", sent, NOW)


def test_new_secrets_will_do_and_differ() -> None:
    for scheme in HookScheme:
        one, other = new_secret(scheme), new_secret(scheme)
        assert one != other
        assert secret_problem(scheme, one) is None


@pytest.mark.parametrize(
    ("scheme", "secret", "words"),
    [
        (GITHUB, "x" * 15, "16 to 256 characters"),
        (GITLAB, "x" * 257, "16 to 256 characters"),
        (GITHUB, "fifteen letters and", "visible ASCII"),
        (STANDARD, "x" * 32 + "?", "in base64"),
        (STANDARD, "whsec_" + base64.b64encode(b"x" * 23).decode(), "24 to 64 bytes"),
        (STANDARD, "whsec_" + base64.b64encode(b"x" * 65).decode(), "24 to 64 bytes"),
    ],
    ids=["short", "long", "blank", "no-base64", "short-key", "long-key"],
)
def test_a_weak_secret_is_refused(scheme: HookScheme, secret: str, words: str) -> None:
    assert words in (secret_problem(scheme, secret) or "")


def test_a_delivery_has_the_name_that_its_sender_gives_it() -> None:
    assert delivery_of(GITHUB, Sent({"x-github-delivery": "one"}, b"")) == "one"
    assert delivery_of(GITHUB, Sent({}, b"")) is None
    assert delivery_of(GITHUB, Sent({"x-github-delivery": "a b"}, b"")) is None
    both = {"idempotency-key": "one", "x-gitlab-event-uuid": "two"}
    assert delivery_of(GITLAB, Sent(both, b"")) == "one"
    assert delivery_of(GITLAB, Sent({"x-gitlab-event-uuid": "two"}, b"")) == "two"
    assert delivery_of(STANDARD, Sent(STANDARDS, b"")) == STANDARDS["webhook-id"]


def test_an_event_has_the_name_that_its_sender_gives_it() -> None:
    assert event_of(GITHUB, Sent({"x-github-event": "push"}, b""), None) == "push"
    assert event_of(GITLAB, Sent({"x-gitlab-event": "Push Hook"}, b""), None) == "Push Hook"
    assert event_of(GITHUB, Sent({}, b""), None) is None
    assert event_of(STANDARD, Sent({}, b""), {"type": "user.created"}) == "user.created"
    assert event_of(STANDARD, Sent({}, b""), {"type": 5}) is None
    assert event_of(STANDARD, Sent({}, b""), ["type"]) is None
