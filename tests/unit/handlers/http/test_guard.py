"""Whom the service lets in."""

import string

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from server.handlers.http.authority import LOOPBACK_NAMES, Authority
from server.handlers.http.origins import Asked, cookie_refusal, host_refusal, origin_refusal

names = st.text(string.ascii_letters + string.digits + "-.:[]@/#?%\\ ", max_size=30)


def refusal(asked: Asked, allowed_hosts: tuple[str, ...] = ()) -> str | None:
    return host_refusal(asked, allowed_hosts) or origin_refusal(asked)


def refused(
    host: str,
    origin: str | None = None,
    fetch_site: str | None = None,
    allowed_hosts: tuple[str, ...] = (),
    scheme: str = "http",
) -> bool:
    origins = [] if origin is None else [origin]
    asked = Asked(hosts=[host], origins=origins, scheme=scheme, fetch_site=fetch_site)
    return refusal(asked, allowed_hosts) is not None


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
        *("evil.example@localhost", "localhost:abc", "localhost:99999", "localhost:", "::1"),
        *(
            "localhost:-1",
            "localhost:8000:1",
            "localhost/",
            "localhost?",
            " localhost",
            "localhost,a",
        ),
    ],
)
def test_other_names_are_refused(host: str) -> None:
    """A page of another site may have had its name point here (DNS rebinding)."""
    assert refused(host)
    assert refused(host, f"http://{host}")
    assert refused(host, f"http://{host}", "same-origin")


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "", "http://", "http://[", "https://evil.example", "http://localhost:3000"),
        *("http://localhost", "http://127.0.0.1:8000", "http://localhost:8000.evil.example"),
        *("https://localhost:8000", "ftp://localhost:8000", "//localhost:8000", "localhost:8000"),
        *("http://a@localhost:8000", "http://localhost:8000/", "http://localhost:8000 http://b"),
    ],
)
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    assert refused("localhost:8000", origin)


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "expected"),
    [
        ("http", "localhost", "http://localhost:80", False),
        ("http", "localhost:80", "http://localhost", False),
        ("http", "localhost", "https://localhost", True),
        ("http", "localhost:443", "https://localhost", True),
        ("https", "localhost", "https://localhost:443", False),
        ("https", "localhost:443", "https://localhost", False),
        ("https", "localhost", "http://localhost", True),
        ("https", "localhost:80", "https://localhost", True),
        ("https", "localhost:8443", "https://localhost:8443", False),
    ],
)
def test_scheme_name_and_port_are_compared(
    scheme: str, host: str, origin: str, *, expected: bool
) -> None:
    assert refused(host, origin, scheme=scheme) is expected


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_header_that_is_sent_twice_is_refused(name: str) -> None:
    headers = CIMultiDict({"Host": "localhost", "Origin": "http://localhost"})
    asked = Asked.of(make_mocked_request("GET", "/", headers=headers), "http")
    assert refusal(asked) is None
    headers.add(name, headers[name])
    asked = Asked.of(make_mocked_request("GET", "/", headers=headers), "http")
    assert f"one {name} header" in str(refusal(asked))


def test_a_request_without_host_is_refused() -> None:
    assert "Host" in str(refusal(Asked(hosts=[])))


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


def test_a_browser_is_believed_where_a_proxy_has_rewritten_the_host() -> None:
    assert refused("127.0.0.1:8000", "https://runs.example")
    assert not refused("127.0.0.1:8000", "https://runs.example", "same-origin")
    assert refused("127.0.0.1:8000", "https://runs.example", "cross-site")


@pytest.mark.parametrize(
    ("origins", "fetch_site", "expected"),
    [
        ([], None, True),  # nothing speaks against it, and nothing for it
        ([], "none", True),
        ([], "same-site", True),
        ([], "cross-site", True),
        ([], "same-origin", False),
        (["http://localhost:8000"], None, False),
        (["http://localhost:8000"], "same-origin", False),
        (["http://localhost:8000"], "same-site", True),
        (["http://localhost"], None, True),
        (["https://localhost:8000"], None, True),
        (["null"], None, True),
        ([""], None, True),
        (["http://localhost:8000"] * 2, None, True),
    ],
)
def test_a_cookie_is_taken_only_from_what_is_known_to_be_our_page(
    origins: list[str], fetch_site: str | None, *, expected: bool
) -> None:
    for is_navigation in (False, True):
        asked = Asked(
            hosts=["localhost:8000"],
            origins=origins,
            fetch_site=fetch_site,
            is_navigation=is_navigation,
        )
        assert (cookie_refusal(asked) is not None) is expected


def test_a_link_from_another_site_may_lead_here_without_a_cookie() -> None:
    headers = {"Host": "localhost", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for method, expected in (("GET", None), ("POST", "another site")):
        asked = Asked.of(make_mocked_request(method, "/", headers=headers), "http")
        found = refusal(asked)
        assert found is None if expected is None else expected in str(found)


def test_a_refusal_says_what_to_set() -> None:
    asked = Asked(hosts=["127.0.0.1:8000"], origins=["https://runs.example"])
    told = str(refusal(asked))
    assert told.startswith("Cross-origin request from 'https://runs.example' refused")
    assert "proxy_set_header Host $http_host;" in told
    assert "X-Forwarded-Proto" in told


def test_further_names_may_be_allowed() -> None:
    assert refused("runs.example:8000", "http://runs.example:8000")
    assert not refused("runs.example:8000", "http://runs.example:8000", None, ("Runs.Example",))
    assert not refused("[::2]:8000", None, None, ("[::2]",))
    assert refused("other.example", None, None, ("runs.example",))


@given(host=names, origin=st.none() | names | names.map("http://{}".format))
def test_whatever_is_asked_there_is_an_answer(host: str, origin: str | None) -> None:
    reason = refusal(Asked(hosts=[host], origins=[] if origin is None else [origin]))
    assert reason is None or reason.endswith(("ends TLS.", "permit it.", "a port."))


@given(host=st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{1,9}){1,3}(:[0-9]{1,5})?", fullmatch=True))
def test_a_name_that_is_not_allowed_is_refused(host: str) -> None:
    assert refused(host) or host.partition(":")[0] in LOOPBACK_NAMES


@given(st.text(), st.text(max_size=10))
def test_what_is_read_as_a_host_is_all_of_the_text(name: str, port: str) -> None:
    text = f"{name}:{port}" if port else name
    try:
        read = Authority.parse(text)
    except ValueError:
        return
    written = f"[{read.name}]" if ":" in read.name else read.name
    told = "" if read.port is None else f":{port}"
    assert text.lower() == written + told


@given(origin=st.text())
def test_an_origin_is_let_in_only_if_it_is_the_host(origin: str) -> None:
    assert refused("localhost:8000", origin) is (origin.lower() != "http://localhost:8000")
