"""Where the service listens: the address is checked and bound, and its URL returned."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from socket import gaierror
from typing import Any

from aiohttp import web

from server.errors import StartupError
from server.handlers.http import keys, local_socket
from server.handlers.http.authority import is_loopback
from server.handlers.http.certificate import Certificate
from server.handlers.http.protocol import Protocol
from server.handlers.http.tls import over_tls
from server.settings.access import AccessSettings, Auth
from server.settings.groups import HttpSettings

SHUTDOWN_SECONDS = 1.5
"""How long open requests may take to end when the server does."""

BACKLOG = 1024
"""Connections that may wait to be accepted."""

AT_ONCE = 32
"""Connections that are accepted before idle ones are closed for them (asyncio calls that its
backlog): their descriptors come out of the reserve."""

LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  nothing is bound to it here


OPTIONS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,  # 1 MB may become 1 GB: handlers/http/guard.py refuses it
}
"""Of each connection's protocol."""

Factory = Callable[[], asyncio.Protocol]

logger = logging.getLogger(__name__)


def auth_at(http: HttpSettings, access: AccessSettings) -> Auth:
    """Return who is let in at the address to listen on: there may be others than local users.

    Raises:
        StartupError: tokens and cookies would be sent there in the clear.
    """
    if access.auth == "off" or is_local(http.host):
        return access.auth
    if access.tls_certificate is None and not access.trusted_proxies:
        raise StartupError(
            f"TAILRUN_HOST is {http.host}: tokens and cookies would pass the network in the clear."
            " Name a certificate (TAILRUN_TLS_CERTIFICATE, TAILRUN_TLS_KEY) or the proxies that"
            " end TLS (TAILRUN_TRUSTED_PROXIES), or listen on 127.0.0.1. With TAILRUN_AUTH=off"
            " whoever reaches it can run commands."
        )
    return "required"


def is_local(host: str) -> bool:
    """Return whether what listens at this address is reached from this host alone."""
    return host == "localhost" or is_loopback(host)


@asynccontextmanager
async def listening(
    app: web.Application, http: HttpSettings, state_dir: Path, certificate: Certificate | None
) -> AsyncIterator[str]:
    """Serve the application's connections; yields the URL that leads here.

    They come to the address of the settings, over TLS with a certificate, and to the socket in the
    state directory.

    Raises:
        StartupError: the address cannot be listened on.
    """
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        assert runner.server is not None
        loop = asyncio.get_running_loop()
        protocol = partial(Protocol, runner.server, loop=loop, **OPTIONS)
        plain: Factory = app[keys.GATES].factory(protocol)
        scheme, factory = "http", plain
        if certificate is not None:
            scheme, factory = "https", over_tls(lambda: certificate.context, plain)
        async with AsyncExitStack() as stack:
            server = await _listen(factory, http)
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
            if (local := await _listen_locally(plain, state_dir)) is not None:
                stack.callback(local.close)
            url = f"{scheme}://{_reachable(http.host)}:{port}"
            app[keys.LISTENING].url = url
            yield url
    finally:
        await runner.cleanup()


async def _listen_locally(factory: Factory, state_dir: Path) -> asyncio.Server | None:
    """Listen on the socket in the state directory; without it all but the command line works."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(factory, sock=local_socket.bound(state_dir))
    except OSError as error:
        logger.warning(
            "%s cannot be listened on, so `tailrun token` and `tailrun sign-in` will not reach this"
            " server: %s",
            state_dir / local_socket.SOCKET_NAME,
            error.strerror,
        )
        return None


async def _listen(factory: Factory, http: HttpSettings) -> asyncio.Server:
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
