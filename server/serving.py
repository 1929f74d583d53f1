"""Serves until it is told to end."""

import asyncio
import dataclasses
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from socket import gaierror
from typing import NoReturn

from aiohttp import web

from server.errors import StartupError, TailrunError
from server.handlers.http import keys
from server.process import descriptors
from server.process.environment import take_environment
from server.process.logs import LoopErrors, set_up_logging
from server.process.outlet import STDERR, STDOUT, Outlet
from server.process.signals import ENDING_SIGNALS, IGNORED_SIGNALS
from server.resources import VERSION
from server.serve import service
from server.services.tasks import Tasks
from server.settings.groups import HttpSettings, Settings
from server.settings.reading import read_settings

SHUTDOWN_SECONDS = 3.0
"""How long open requests may take to end when the server does."""

BACKLOG = 1024
"""Connections that may wait to be accepted."""

AT_ONCE = 32
"""Connections that are accepted before others are turned out for them (asyncio calls that its
backlog): their descriptors come out of the reserve."""

LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  nothing is bound to it here

logger = logging.getLogger(__name__)


def serve(arguments: Sequence[str] | None = None) -> int:
    """Serve; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    output, errors = Outlet(STDOUT), Outlet(STDERR)

    def leave() -> NoReturn:
        """End at once, with all that is said: a thread may be waiting for a database, for long."""
        output.flush()
        errors.flush()
        os._exit(0)

    try:
        settings = read_settings(given, os.environ)
        _check_address(settings.http)
        set_up_logging(settings.log.level, settings.log.format, errors)
        environment = take_environment(settings)
        return asyncio.run(_serve(_within_limits(settings), environment, output, leave))
    except TailrunError as error:
        errors.write(f"tailrun: {error}\n")
        return os.EX_CONFIG
    except OSError as error:
        about = f"{error.filename}: " if error.filename is not None else ""
        errors.write(f"tailrun: The start failed: {about}{error.strerror or error}.\n")
        return os.EX_CONFIG
    finally:
        output.flush()
        errors.flush()


def _within_limits(settings: Settings) -> Settings:
    """Return the settings with no more connections than there may be descriptors for."""
    limit = descriptors.raise_limit(
        connections=settings.http.max_connections, runs=settings.runs.max_concurrent_runs
    )
    bound = descriptors.for_connections(
        limit,
        connections=settings.http.max_connections,
        others=settings.runs.max_concurrent_runs + settings.database.connections,
    )
    http = dataclasses.replace(settings.http, max_connections=bound)
    return dataclasses.replace(settings, http=http)


async def _serve(
    settings: Settings,
    environment: Mapping[str, str],
    output: Outlet,
    leave: Callable[[], NoReturn],
) -> int:
    asyncio.get_running_loop().set_exception_handler(LoopErrors())
    ending = _Ending()
    try:
        async with service(settings, environment) as (app, tasks), _listening(app, settings) as at:
            output.write(
                f"Tailrun {VERSION} serves {at}/ (documentation: {at}/swagger/index.html,"
                f" state: {settings.state_dir})\n"
            )
            await ending.wait(tasks)
        return 1 if tasks.failed.is_set() else 0
    except asyncio.CancelledError:
        if not ending.told:
            raise
        logger.info("told to end while starting, and ended")
        leave()


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[str]:
    """Serve the application's connections; yields the address."""
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        auto_decompress=False,  # 1 MB may become 1 GB: handlers/http/guard.py refuses it
    )
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101  it is set up
        server = await _listen(app[keys.GATES].factory(runner.server), settings.http)
        try:
            port = server.sockets[0].getsockname()[1]
            yield f"http://{_reachable(settings.http.host)}:{port}"
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _reachable(host: str) -> str:
    """Return the host of a URL that leads here from this machine.

    The address that stands for all leads nowhere. The loop listens on IPv6 alone at `::`.
    """
    host = LOOPBACKS.get(host, host)
    return f"[{host}]" if ":" in host else host


class _Ending:
    """Hears the signals that end the server: a start is cancelled, a server is woken."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._starting = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._tell)
        for number in IGNORED_SIGNALS:
            loop.add_signal_handler(number, _say_ignored, number)

    @property
    def told(self) -> bool:
        """Whether it was told to end."""
        return self._told.is_set()

    async def wait(self, tasks: Tasks) -> None:
        """Wait, having started, until the server is told to end, or cannot go on."""
        self._starting = None
        events = [asyncio.create_task(event.wait()) for event in (self._told, tasks.failed)]
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        for event in events:
            event.cancel()

    def _tell(self) -> None:
        self._told.set()
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None


def _say_ignored(number: signal.Signals) -> None:
    logger.info("%s is ignored: settings are read at the start alone", number.name)


async def _listen(factory: Callable[[], asyncio.Protocol], http: HttpSettings) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(factory, http.host, http.port, backlog=AT_ONCE)
    except (OSError, UnicodeError) as error:
        raise StartupError(
            f"Cannot listen on {http.host} port {http.port}: {_reason(error)}."
            " End what listens there, or set TAILRUN_PORT or TAILRUN_HOST."
        ) from error
    for listening in server.sockets:
        with listening.dup() as same:
            same.listen(BACKLOG)
    return server


def _reason(error: OSError | UnicodeError) -> str:
    """Say why an address cannot be listened on.

    The loop's own text repeats the address; a name that is not found has no errno(3), and one that
    is no name at all cannot even be asked for.
    """
    if isinstance(error, UnicodeError):
        return "it is no host name"
    told = error.strerror if isinstance(error, gaierror) else None
    return told or os.strerror(error.errno or 0)


def _check_address(http: HttpSettings) -> None:
    """Refuse to let others run commands unless told to."""
    try:
        loopback = ipaddress.ip_address(http.host).is_loopback
    except ValueError:
        loopback = http.host == "localhost"
    if not loopback and not http.insecure_no_auth:
        raise StartupError(
            f"TAILRUN_HOST is {http.host}: whoever reaches it could run commands, as there is"
            " no authentication. Listen on 127.0.0.1, or say --insecure-no-auth."
        )
