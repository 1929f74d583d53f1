"""The command line: serves until it is told to end."""

import asyncio
import ctypes
import ipaddress
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from socket import gaierror

from aiohttp import web

from server.app import VERSION, service
from server.errors import StartupError, TailrunError
from server.handlers import keys
from server.logs import LoopErrors, set_up_logging
from server.services.tasks import Tasks
from server.settings import Settings, read_settings

PR_SET_DUMPABLE = 4
"""prctl(2)."""

SHUTDOWN_SECONDS = 3.0
"""How long open requests may take to end when the server does."""

EX_CONFIG = 78
"""sysexits.h(3head): something is configured wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        settings = read_settings(given, os.environ)
        _check_address(settings)
        set_up_logging(settings.log_level, settings.log_format)
        _hide_memory()
        return asyncio.run(_serve(settings, os.environ))
    except TailrunError as error:
        print(f"tailrun: {error}", file=sys.stderr)
        return EX_CONFIG


async def _serve(settings: Settings, environment: Mapping[str, str]) -> int:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(LoopErrors())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with service(settings, environment) as (app, tasks):
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        app[keys.SERVER] = runner
        await runner.setup()
        try:
            address = await _listen(runner, settings)
            print(
                f"Tailrun {VERSION} serves {address}/ (documentation: {address}/swagger/index.html,"
                f" state: {settings.state_dir})",
                flush=True,
            )
            await _until(stopping, tasks)
        finally:
            await runner.cleanup()
    return 1 if tasks.failed.is_set() else 0


async def _listen(runner: web.AppRunner, settings: Settings) -> str:
    site = web.TCPSite(runner, settings.host, settings.port)
    try:
        await site.start()
    except OSError as error:
        # The loop's own text repeats the address; a name that is not found has no errno(3).
        reason = error.strerror if isinstance(error, gaierror) else os.strerror(error.errno or 0)
        raise StartupError(
            f"Cannot listen on {settings.host} port {settings.port}: {reason}."
            " End what listens there, or set TAILRUN_PORT or TAILRUN_HOST."
        ) from error
    port = runner.addresses[0][1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{port}"


async def _until(stopping: asyncio.Event, tasks: Tasks) -> None:
    """Wait until the server is told to end, or cannot go on."""
    events = [asyncio.create_task(event.wait()) for event in (stopping, tasks.failed)]
    await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
    for event in events:
        event.cancel()


def _check_address(settings: Settings) -> None:
    """Refuse to let others run commands unless told to."""
    try:
        loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        loopback = settings.host == "localhost"
    if not loopback and not settings.insecure_no_auth:
        raise StartupError(
            f"TAILRUN_HOST is {settings.host}: whoever reaches it could run commands, as there is"
            " no authentication. Listen on 127.0.0.1, or say --insecure-no-auth."
        )


def _hide_memory() -> None:
    """Keep the server's environment and memory from the scripts it runs (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
