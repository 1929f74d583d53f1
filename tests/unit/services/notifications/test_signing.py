"""Signatures of Standard Webhooks."""

import base64

import pytest

from server.services.notifications.signing import key_of, new_secret, signature


def test_a_message_is_signed_as_the_specification_shows() -> None:
    # The example of the specification's libraries.
    assert (
        signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_secrets_are_made_anew_each_time() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(key_of(first)) == 32


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_no base64!",
        "whsec_ключ",
    ],
)
def test_what_is_no_secret_is_refused_in_words(secret: str) -> None:
    with pytest.raises(ValueError, match="It is whsec_ and the base64 of 24 to 64 bytes"):
        key_of(secret)
