"""The cookie of a session: its name, and where there may be one."""

import pytest
from aiohttp import web

from server.handlers.http.identity.cookies import SessionCookie


def name_at(host: str, *, secure: bool = False, base_path: str = "") -> str | None:
    cookie = SessionCookie.at(host, secure=secure, base_path=base_path)
    return None if cookie is None else cookie.name


def header(cookie: SessionCookie | None, value: str) -> str:
    """Return the header that keeps a value, or with an empty one forgets it."""
    assert cookie is not None
    response = web.Response()
    if value:
        cookie.set(response, value)
    else:
        cookie.remove(response)
    [morsel] = response.cookies.values()
    return morsel.OutputString()


@pytest.mark.parametrize(
    "host", ["tailrun.example", "localhost:8443", "192.0.2.1", "[2001:db8::1]"]
)
def test_over_tls_the_cookie_is_of_this_host_alone(host: str) -> None:
    assert name_at(host, secure=True) == "__Host-tailrun"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8000", "tailrun-8000"),
        ("LOCALHOST:8000", "tailrun-8000"),
        ("127.0.0.1:8001", "tailrun-8001"),
        ("[::1]:8000", "tailrun-8000"),
        ("localhost", "tailrun-80"),
    ],
)
def test_over_plain_http_at_loopback_each_port_has_its_own(host: str, name: str) -> None:
    assert name_at(host) == name


@pytest.mark.parametrize(
    "host", ["tailrun.example", "192.0.2.1:8000", "localhost.evil.example", ""]
)
def test_over_plain_http_at_another_name_there_is_none(host: str) -> None:
    assert name_at(host) is None


def test_servers_that_share_a_host_and_a_port_each_have_their_own() -> None:
    """A proxy serves them under paths, and the cookie's path is always the whole host."""
    names = {
        name_at("tailrun.example", secure=True, base_path=path)
        for path in ("", "/one", "/two", "/one/two", "/one-two")
    }
    assert len(names) == 5
    assert name_at("localhost", base_path="/one") != name_at("localhost")


def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    secure = SessionCookie.at("tailrun.example", secure=True, base_path="/tools")
    assert header(secure, "v") == (
        "__Host-tailrun+tools=v; HttpOnly; Max-Age=604800; Path=/; SameSite=Strict; Secure"
    )
    plain = SessionCookie.at("localhost:8000", secure=False, base_path="")
    assert header(plain, "v") == (
        "tailrun-8000=v; HttpOnly; Max-Age=604800; Path=/; SameSite=Strict"
    )


def test_a_cookie_is_removed_as_it_was_set() -> None:
    secure = SessionCookie.at("tailrun.example", secure=True, base_path="")
    removed = header(secure, "")
    assert removed.startswith('__Host-tailrun=""; ')
    for attribute in ("Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"):
        assert attribute in removed
