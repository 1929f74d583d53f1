"""Where the service listens: the address is checked and bound, and its URL returned."""

import asyncio
import ipaddress
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import gaierror

from aiohttp import web

from server.errors import StartupError
from server.handlers.http import keys
from server.settings.groups import HttpSettings

SHUTDOWN_SECONDS = 3.0
"""How long open requests may take to end when the server does."""

BACKLOG = 1024
"""Connections that may wait to be accepted."""

AT_ONCE = 32
"""Connections that are accepted before idle ones are closed for them (asyncio calls that its
backlog): their descriptors come out of the reserve."""

LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  nothing is bound to it here


def check_address(http: HttpSettings) -> None:
    """Refuse an address that others can reach, unless the settings permit it.

    Raises:
        StartupError: the address is not a loopback address, and nobody called that insecure.
    """
    try:
        loopback = ipaddress.ip_address(http.host).is_loopback
    except ValueError:
        loopback = http.host == "localhost"
    if not loopback and not http.insecure_no_auth:
        raise StartupError(
            f"TAILRUN_HOST is {http.host}: whoever reaches it could run commands, as there is"
            " no authentication. Listen on 127.0.0.1, or say --insecure-no-auth."
        )


@asynccontextmanager
async def listening(app: web.Application, http: HttpSettings) -> AsyncIterator[str]:
    """Serve the application's connections; yields the URL that leads here.

    Raises:
        StartupError: the address cannot be listened on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        auto_decompress=False,  # 1 MB may become 1 GB: handlers/http/guard.py refuses it
    )
    await runner.setup()
    try:
        assert runner.server is not None
        server = await _listen(app[keys.GATES].factory(runner.server), http)
        try:
            port = server.sockets[0].getsockname()[1]
            yield f"http://{_reachable(http.host)}:{port}"
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _listen(factory: Callable[[], asyncio.Protocol], http: HttpSettings) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(factory, http.host, http.port, backlog=AT_ONCE)
    except (OSError, UnicodeError) as error:
        raise StartupError(
            f"Cannot listen on {http.host} port {http.port}: {_reason(error)}."
            " End what listens there, or set TAILRUN_PORT or TAILRUN_HOST."
        ) from error
    # asyncio would accept as many at once as may wait: each socket gets its backlog afterwards.
    for bound in server.sockets:
        with bound.dup() as same:
            same.listen(BACKLOG)
    return server


def _reason(error: OSError | UnicodeError) -> str:
    """Say why an address cannot be listened on.

    The loop's own text repeats the address; a name that is not found has no errno(3), and one that
    is no name at all cannot even be asked for.
    """
    if isinstance(error, UnicodeError):
        return "it is no host name"
    found = error.strerror if isinstance(error, gaierror) else None
    return found or os.strerror(error.errno or 0)


def _reachable(host: str) -> str:
    """Return the host of a URL that leads here from this machine.

    A wildcard address leads nowhere. At `::` the loop listens on IPv6 alone.
    """
    host = LOOPBACKS.get(host, host)
    return f"[{host}]" if ":" in host else host
