"""Runs a role: settings, log, environment and limits first; a failure is reported in one line."""

import asyncio
import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NoReturn

from server.errors import TailrunError
from server.process import descriptors
from server.process.ending import Ending
from server.process.environment import take_environment
from server.process.logs import LoopErrors, set_up_logging
from server.process.outlet import STDERR, STDOUT, Outlet
from server.settings.groups import Settings
from server.settings.reading import read_settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """A role that has started."""

    announcement: str
    """Written to stdout: where it can be reached."""

    failed: asyncio.Event
    """Set when a task died without which the role cannot go on."""


Role = Callable[[Settings, Mapping[str, str]], AbstractAsyncContextManager[Started]]
"""Takes the settings and the original environment without its secrets; runs until it is left."""


def run(arguments: Sequence[str], role: Role) -> int:
    """Run a role until a signal ends it, or it cannot go on; return the exit code."""
    output, errors = Outlet(STDOUT), Outlet(STDERR)

    def leave() -> NoReturn:
        output.flush()
        errors.flush()
        # Not an ordinary exit: it would join a thread that may wait long for a database.
        os._exit(0)

    try:
        settings = read_settings(arguments, os.environ)
        set_up_logging(settings.log.level, settings.log.format, errors)
        environment = take_environment(settings)
        started = role(_within_limits(settings), environment)
        return asyncio.run(_run(started, output, leave))
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


async def _run(
    role: AbstractAsyncContextManager[Started], output: Outlet, leave: Callable[[], NoReturn]
) -> int:
    asyncio.get_running_loop().set_exception_handler(LoopErrors())
    ending = Ending()
    try:
        async with role as started:
            output.write(started.announcement)
            await ending.wait(started.failed)
        return 1 if started.failed.is_set() else 0
    except asyncio.CancelledError:
        if not ending.requested:
            raise
        logger.info("stopped while starting: a signal asked for the end")
        leave()


def _within_limits(settings: Settings) -> Settings:
    """Return the settings with at most as many connections as there are descriptors for."""
    limit = descriptors.raise_limit(
        connections=settings.http.max_connections, runs=settings.runs.max_concurrent_runs
    )
    bound = descriptors.limit_connections(
        limit,
        connections=settings.http.max_connections,
        others=settings.runs.max_concurrent_runs + settings.database.connections,
    )
    http = dataclasses.replace(settings.http, max_connections=bound)
    return dataclasses.replace(settings, http=http)
