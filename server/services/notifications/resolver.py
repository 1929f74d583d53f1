"""Where targets' hosts are: a name service that hangs holds up nothing but its own target."""

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from server.lookups import addresses_of


class Resolver(AbstractResolver):
    """Looks names up in threads of their own.

    aiohttp's takes those of the event loop: a few names that nobody answers for would hold up all
    other work in threads, and the end of the service.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: its name could not be looked up.
        """
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=_family(address),
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await addresses_of(host)
            if family in (socket.AF_UNSPEC, _family(address))
        ]

    async def close(self) -> None:
        """Let go of nothing: a look-up ends by itself."""


def _family(address: str) -> socket.AddressFamily:
    is_v4 = ipaddress.ip_address(address.partition("%")[0]).version == 4
    return socket.AF_INET if is_v4 else socket.AF_INET6
