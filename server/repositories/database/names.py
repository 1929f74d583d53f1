"""Where a database's hosts are, looked up without holding up anything else.

libpq looks names up itself, in the thread that connects: the event loop's. A name service that
is away would stop the whole service for its time-out, again and again. So the addresses are
looked up before, and libpq is told them (`hostaddr`, src/interfaces/libpq/fe-connect.c). It is told
one at a time: going on to the next it opens another socket, which aiopg does not notice.
"""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress


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
            addresses = [given[index]] if any(given) else await _addresses(host)
        except OSError as exc:
            failed = exc
        else:
            found += [_target(parameters, host, address, port) for address in addresses]
    if failed is not None and not found:
        raise failed
    return found


def _target(parameters: Mapping[str, str], *place: str) -> dict[str, str]:
    names = ("host", "hostaddr", "port")
    told = {name: value for name, value in zip(names, place, strict=True) if value}
    return {name: value for name, value in parameters.items() if name not in names} | told


async def _addresses(host: str) -> Sequence[str]:
    return [""] if _is_address(host) else await _look_up(host)


def _is_address(host: str) -> bool:
    """Tell whether libpq need not look a host up: a socket's directory, or an address."""
    if host == "" or host.startswith(("/", "@")):
        return True
    with suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


async def _look_up(host: str) -> Sequence[str]:
    """Return a host's addresses.

    The thread is a daemon, and none of asyncio's few: a look-up cannot be broken off, and
    neither other threads' work nor the end of the service shall wait for it.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(addresses: Sequence[str], error: OSError | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(addresses)
        else:
            answer.set_exception(error)

    def work() -> None:
        addresses: list[str] = []
        error = None
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        except OSError as exc:
            error = OSError(f"the host {host} could not be looked up: {exc.strerror}")
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(tell, addresses, error)

    threading.Thread(target=work, name=f"look up {host}", daemon=True).start()
    return await answer
