"""Where a database's hosts are, looked up without blocking the event loop.

libpq looks names up itself, in the thread that connects: the event loop's. A name service that
is away would block the whole service for its time-out, again and again. So the addresses are
looked up before, and libpq is given them (`hostaddr`, src/interfaces/libpq/fe-connect.c), one at a
time: for the next it would open another socket, which aiopg does not notice.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress

from server.lookups import addresses_of


async def targets(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    """Return libpq's parameters for each address of each host they name, in order.

    Hosts whose names are unknown are left out.

    Raises:
        OSError: no host's name could be looked up.
    """
    hosts = parameters.get("host", "").split(",")
    given = parameters.get("hostaddr", "").split(",")
    ports = parameters.get("port", "").split(",")
    found: list[dict[str, str]] = []
    failed: OSError | None = None
    for index in range(max(len(hosts), len(given))):
        host, port = hosts[index % len(hosts)], ports[index % len(ports)]
        try:
            if any(given):
                addresses: Sequence[str] = [given[index]]
            else:
                addresses = await addresses_of(host) if _is_name(host) else [""]
        except OSError as error:
            failed = error
        else:
            for address in addresses:
                place = {"host": host, "hostaddr": address, "port": port}
                rest = {name: value for name, value in parameters.items() if name not in place}
                found.append(rest | {name: value for name, value in place.items() if value})
    if failed is not None and not found:
        raise failed
    return found


def _is_name(host: str) -> bool:
    """Return whether libpq would look a host up: it is no socket's directory, and no address."""
    if host == "" or host.startswith(("/", "@")):
        return False
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return False
    return True
