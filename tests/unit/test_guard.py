"""Whom the service lets in."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.handlers.guard import LOOPBACK_NAMES, refusal

names = st.text(string.ascii_letters + string.digits + "-.:[]@/#?%\\ ", max_size=30)


def refused(
    host: str,
    origin: str | None = None,
    fetch_site: str | None = None,
    allowed_hosts: tuple[str, ...] = (),
) -> bool:
    return (
        refusal(host=host, origin=origin, fetch_site=fetch_site, allowed_hosts=allowed_hosts)
        is not None
    )


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost:8000", "127.0.0.1", "127.0.0.1:1", "[::1]:8000"]
)
def test_loopback_names_are_let_in(host: str) -> None:
    assert not refused(host)
    assert not refused(host, f"http://{host}")
    assert not refused(host, f"HTTP://{host.upper()}", "same-origin")


@pytest.mark.parametrize(
    "host",
    [
        *("", "[", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ":8000"),
        *("localhost@evil.example", "evil.example#localhost", "0.0.0.0", "[::2]"),  # noqa: S104
    ],
)
def test_other_names_are_refused(host: str) -> None:
    """A page of another site may have had its name point here (DNS rebinding)."""
    assert refused(host)
    assert refused(host, f"http://{host}")


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "", "http://", "http://[", "https://evil.example", "http://localhost:3000"),
        *("http://localhost", "http://127.0.0.1:8000", "http://localhost:8000.evil.example"),
    ],
)
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    assert refused("localhost:8000", origin)


@pytest.mark.parametrize(
    ("fetch_site", "expected"),
    [
        (None, False),
        ("same-origin", False),
        ("none", False),
        ("same-site", True),
        ("cross-site", True),
    ],
)
def test_requests_without_origin_tell_their_site(fetch_site: str | None, *, expected: bool) -> None:
    assert refused("localhost", None, fetch_site) is expected


def test_further_names_may_be_allowed() -> None:
    assert refused("runs.example:8000", "https://runs.example:8000")
    assert not refused("runs.example:8000", "https://runs.example:8000", None, ("Runs.Example",))
    assert refused("other.example", None, None, ("runs.example",))


@given(host=names, origin=st.none() | names | names.map("http://{}".format), fetch_site=st.none())
def test_whatever_is_asked_there_is_an_answer(
    host: str, origin: str | None, fetch_site: str | None
) -> None:
    reason = refusal(host=host, origin=origin, fetch_site=fetch_site, allowed_hosts=())
    assert reason is None or reason.endswith(("let in.", "permit it."))


@given(host=st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{1,9}){1,3}(:[0-9]{1,5})?", fullmatch=True))
def test_a_name_that_is_not_allowed_is_refused(host: str) -> None:
    assert refused(host) == (host.partition(":")[0] not in LOOPBACK_NAMES)


@given(origin=st.text())
def test_an_origin_is_let_in_only_if_it_is_the_host(origin: str) -> None:
    named = origin.lower().partition("://")[2]
    assert refused("localhost:8000", origin) is (named != "localhost:8000")
