"""Where a server is, and who may read what is sent there."""

from pathlib import Path

import pytest

from tailrun.place import Place


@pytest.mark.parametrize(
    ("url", "is_overheard"),
    [
        ("http://runs.example.org", True),
        ("HTTP://192.0.2.1:8000", True),
        ("http://localhost.example.org", True),
        ("http://127.0.0.1@192.0.2.1/", True),
        ("https://runs.example.org", False),
        ("http://localhost:8000", False),
        ("http://127.0.0.9:8000/tools", False),
        ("http://[::1]:8000", False),
        ("http://[::1", False),
    ],
)
def test_what_leaves_this_host_without_tls_may_be_overheard(url: str, is_overheard: object) -> None:
    assert Place(url).is_overheard is is_overheard


def test_a_socket_is_overheard_by_nobody() -> None:
    assert not Place("http://runs.example.org", Path("/state")).is_overheard
