"""Where requests come from, and which proxies are believed."""

import socket
from collections.abc import Mapping
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from server.handlers.http.authority import ip
from server.handlers.http.identity.addresses import MAX_FORWARDED, UNIX, UNKNOWN, Addresses
from server.settings.values import networks

PROXY = "10.0.0.1"


def addresses(trusted: str = "", *, ends_tls: bool = False) -> Addresses:
    return Addresses(networks(trusted), ends_tls=ends_tls)


def asked(peer: object, headers: Mapping[str, str] | None = None) -> web.Request:
    """Make a request that came over a connection."""
    transport = Mock()
    family = socket.AF_UNIX if peer == "" else socket.AF_INET
    known = {"peername": peer, "socket": Mock(family=family)}
    transport.get_extra_info = lambda name, default=None: known.get(name, default)
    return make_mocked_request("GET", "/", headers=headers, transport=transport)


def client(trusted: str, peer: str, *forwarded: str) -> str:
    headers = CIMultiDict([("X-Forwarded-For", one) for one in forwarded])
    return addresses(trusted).client(asked((peer, 1234), headers))


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1"),
        (("2001:DB8::0:1", 1, 0, 0), "2001:db8::1"),
        (("", 1), UNKNOWN),
        ("", UNIX),
        (None, UNKNOWN),
    ],
)
def test_a_client_is_known_by_the_address_of_its_connection(peer: object, expected: str) -> None:
    assert addresses().client(asked(peer)) == expected


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "expected"),
    [
        ("", PROXY, ["192.0.2.1"], PROXY),
        ("10.0.0.2", PROXY, ["192.0.2.1"], PROXY),
        (PROXY, PROXY, [], PROXY),
        (PROXY, PROXY, ["192.0.2.1"], "192.0.2.1"),
        (PROXY, f"::ffff:{PROXY}", ["192.0.2.1"], "192.0.2.1"),
        ("fd00::/8", "fd00::1", ["2001:db8::5"], "2001:db8::5"),
        (PROXY, PROXY, ["192.0.2.1:4711"], "192.0.2.1"),
        (PROXY, PROXY, ["[2001:db8::5]:4711"], "2001:db8::5"),
        (PROXY, PROXY, ["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        (PROXY, PROXY, ["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
        ("10.0.0.0/8", PROXY, ["198.51.100.9, 192.0.2.1, 10.0.0.7"], "192.0.2.1"),
        ("10.0.0.0/8", PROXY, ["10.0.0.9, 10.0.0.7"], "10.0.0.9"),
        (PROXY, PROXY, ["192.0.2.1, unknown"], PROXY),
        (PROXY, PROXY, ["192.0.2.1, "], PROXY),
        ("10.0.0.0/8", PROXY, ["192.0.2.1", "nonsense", "10.0.0.7"], "10.0.0.7"),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_alone(
    trusted: str, peer: str, forwarded: list[str], expected: str
) -> None:
    """The nearest that is no trusted proxy: what stands before it, anybody may have written."""
    assert client(trusted, peer, *forwarded) == expected


def test_of_many_forwarded_addresses_the_nearest_are_looked_at() -> None:
    far = "192.0.2.1" + ", 10.0.0.7" * MAX_FORWARDED
    assert client("10.0.0.0/8", PROXY, far) == "10.0.0.7"


@given(st.lists(st.text(max_size=30).filter(str.isprintable), max_size=5))
def test_whatever_is_forwarded_an_address_comes_of_it(forwarded: list[str]) -> None:
    assert ip(client(PROXY, PROXY, *forwarded))


@pytest.mark.parametrize(
    ("told", "scheme"),
    [
        (None, "http"),
        ("https", "https"),
        ("HTTPS", "https"),
        ("wss", "https"),
        ("https, http", "https"),
        ("http", "http"),
        ("nonsense", "http"),
    ],
)
def test_a_proxy_tells_the_scheme_of_the_client(told: str | None, scheme: str) -> None:
    headers = {} if told is None else {"X-Forwarded-Proto": told}
    assert addresses().scheme(asked((PROXY, 1), headers)) == scheme
    assert addresses(PROXY).scheme(asked((PROXY, 1), headers)) == scheme


def test_once_proxies_are_named_or_tls_ends_here_others_are_not_believed() -> None:
    request = asked(("192.0.2.1", 1), {"X-Forwarded-Proto": "https"})
    assert addresses(PROXY).scheme(request) == "http"
    assert addresses(ends_tls=True).scheme(request) == "http"
