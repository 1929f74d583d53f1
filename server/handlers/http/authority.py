"""Names of hosts, as requests give them. Pure."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names that nobody else can have lead here."""

_AUTHORITY = re.compile(
    r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)
_MAX_PORT = 65535


class Authority(NamedTuple):
    """A host's name, in lower case, and its port, None where it has none."""

    name: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Authority":
        """Read `name`, `name:port` or `[address]:port` and nothing else (RFC 9110 §7.2).

        Raises:
            ValueError: it is none.
        """
        match = _AUTHORITY.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no host name")
        port = None if match["port"] is None else int(match["port"])
        if port is not None and port > _MAX_PORT:
            raise ValueError(f"{port} is no port")
        return cls((match["address"] or match["name"]).lower(), port)

    @property
    def is_loopback(self) -> bool:
        """Whether it is a loopback address, or the name of one."""
        return self.name in LOOPBACK_NAMES or is_loopback(self.name)


def ip(text: str) -> IPv4Address | IPv6Address:
    """Read an IP address; an IPv4 address that is written as an IPv6 one is an IPv4 address.

    Raises:
        ValueError: it is none.
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_loopback(address: str) -> bool:
    """Return whether an IP address is a loopback one; a name is not."""
    try:
        return ip(address).is_loopback
    except ValueError:
        return False
