"""Runs a role: settings, log, environment and limits first; a failure is reported in one line."""

import asyncio
import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NoReturn

from server.process import descriptors
from server.process.ending import Ending
from server.process.environment import take_environment
from server.process.logs import LoopErrors
from server.process.outlet import STDOUT, Outlet
from server.process.words import begin, told_in_a_line
from server.settings.groups import Settings

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
    output = Outlet(STDOUT)

    def work(errors: Outlet) -> int:
        def leave() -> NoReturn:
            output.flush()
            errors.flush()
            # Not an ordinary exit: it would join a thread that may wait long for a database.
            os._exit(0)

        settings = begin(arguments, errors)
        environment = take_environment(settings)
        started = role(_within_limits(settings), environment)
        return asyncio.run(_run(started, output, leave))

    try:
        return told_in_a_line(work, "The start failed")
    finally:
        output.flush()


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
