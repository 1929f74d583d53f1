"""What a path that is none was probably meant to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.handlers.http.near import near

NOBODY = "00000000-0000-4000-8000-000000000000"
TEMPLATES = ["/api/v1/commands/", "/api/v1/commands/{id}/info", "/api/v1/runs/{id}", "/healthz"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/api/v1/command/", "/api/v1/commands/"),
        ("/api/commands", "/api/v1/commands/"),
        (f"/api/v1/commands/{NOBODY}/inof", f"/api/v1/commands/{NOBODY}/info"),
        (f"/api/v1/run/{NOBODY}", f"/api/v1/runs/{NOBODY}"),
        ("/health", "/healthz"),
        ("/nothing", None),
        ("/", None),
        ("/api/v1/commands/" + "x" * 8000, None),
    ],
)
def test_the_path_most_like_it_is_told(path: str, meant: str | None) -> None:
    assert near(path, TEMPLATES) == meant


@given(st.text(max_size=50))
def test_whatever_was_asked_a_path_is_told_or_none(path: str) -> None:
    assert near(path, TEMPLATES) in {None, *TEMPLATES}
