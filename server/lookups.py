"""Names of hosts, looked up without blocking the event loop or holding up its threads."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress


async def addresses_of(host: str) -> Sequence[str]:
    """Return a host's addresses.

    Raises:
        OSError: its name could not be looked up.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def report(addresses: Sequence[str], error: OSError | None) -> None:
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
        except OSError as cause:
            error = OSError(f"the host {host} could not be looked up: {cause.strerror}")
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(report, addresses, error)

    # A daemon thread, and none of asyncio's pool: a look-up cannot be cancelled, and must delay
    # neither other work in threads nor the end of the service.
    threading.Thread(target=work, name=f"look up {host}", daemon=True).start()
    return await answer
