"""What a target says is told without the URL that it repeats."""

import pytest

from server.services.notifications.redaction import without_url

URL = "https://u:passwordy@chat.example.org/services/T00/AbCdEfGhIjKl?key=hush%21hush!"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("the chat is full", "the chat is full"),
        ("Cannot POST /services/T00/AbCdEfGhIjKl?key=hush%21hush!", "Cannot POST …"),
        ("no route /services/T00/AbCdEfGhIjKl here", "no route … here"),
        ("no hook AbCdEfGhIjKl", "no hook …"),
        ("bad key hush!hush!", "bad key …"),
        ("broken off: AbCdEfGh", "broken off: …"),
        (f"<{URL}>", "<…>"),
    ],
)
def test_what_was_said_is_told_without_the_url(said: str, told: str) -> None:
    assert without_url(said, URL) == told


def test_a_url_without_a_path_takes_nothing_away() -> None:
    assert without_url("a/b: not here", "http://[::1]:8000/") == "a/b: not here"
