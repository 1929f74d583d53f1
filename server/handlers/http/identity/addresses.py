"""Where a request comes from: the client's address and scheme, as a trusted proxy forwards them."""

import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from aiohttp import hdrs, web

from server.handlers.http.authority import Authority, ip
from server.settings.access import AccessSettings

Network = IPv4Network | IPv6Network

UNIX = "unix"
"""The address of whoever came over the socket in the state directory."""

UNKNOWN = "unknown"
"""The address of a client that has gone."""

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
"""What X-Forwarded-Proto may say; some proxies name a handshake's scheme."""

MAX_FORWARDED = 32
"""Of the addresses in X-Forwarded-For so many are looked at, the nearest first."""


class Addresses:
    """Tells clients' addresses and schemes; `trusted` are the proxies that are believed.

    A proxy that is not trusted is the client itself. What X-Forwarded-Proto says is believed of
    everybody as long as no proxy is named and this server does not end TLS by itself: it is
    compared with Origin, and a page cannot write it, while what is no page can write both.
    """

    def __init__(self, trusted: Sequence[Network], *, ends_tls: bool) -> None:
        self._believes_all = not trusted and not ends_tls
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(maxsize=1024)(self._trusts)

    @classmethod
    def of(cls, access: AccessSettings) -> "Addresses":
        """Believe the proxies that the settings name."""
        return cls(access.trusted_proxies, ends_tls=access.tls_certificate is not None)

    def client(self, request: web.Request) -> str:
        """Return the client's IP address; UNIX or UNKNOWN where there is none."""
        peer = self.peer(request)
        if not self._trusted or not self._is_trusted(peer):
            return peer
        forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
        return self._first_stranger(peer, ",".join(forwarded).split(",")[-MAX_FORWARDED:])

    def scheme(self, request: web.Request) -> str:
        """Return the scheme that the client asked by, `http` or `https`."""
        said = request.headers.get(hdrs.X_FORWARDED_PROTO)
        if said is None or not (self._believes_all or self.trusts_peer_of(request)):
            return request.scheme
        return SCHEMES.get(said.partition(",")[0].strip().lower(), request.scheme)

    def is_secure(self, request: web.Request) -> bool:
        """Return whether a client has asked over TLS, by our own or a trusted proxy's word."""
        is_told = self.trusts_peer_of(request) and self.scheme(request) == "https"
        return request.secure or is_told

    def trusts_peer_of(self, request: web.Request) -> bool:
        """Return whether a request comes from a proxy that is believed."""
        return bool(self._trusted) and self._is_trusted(self.peer(request))

    @staticmethod
    def peer(request: web.Request) -> str:
        """Return the address at the other end of the connection, or UNIX, or UNKNOWN."""
        transport = request.transport
        if transport is None:
            return UNKNOWN
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            return _plain(str(name[0]))
        found = transport.get_extra_info("socket")
        return UNIX if getattr(found, "family", None) == socket.AF_UNIX else UNKNOWN

    def _first_stranger(self, peer: str, forwarded: Iterable[str]) -> str:
        """Return the nearest address that is no trusted proxy; what cannot be read ends it."""
        nearest = peer
        for text in reversed([*forwarded]):
            try:
                nearest = _address(text.strip())
            except ValueError:
                break
            if not self._is_trusted(nearest):
                break
        return nearest

    def _trusts(self, address: str) -> bool:
        try:
            found = ip(address)
        except ValueError:
            return False
        return any(found in network for network in self._trusted)


def _address(text: str) -> str:
    """Read an address of X-Forwarded-For, to which some proxies add a port."""
    try:
        return str(ip(text))
    except ValueError:
        return str(ip(Authority.parse(text).name))


@lru_cache(maxsize=1024)
def _plain(address: str) -> str:
    """Write an address in one way."""
    try:
        return str(ip(address))
    except ValueError:
        return UNKNOWN
