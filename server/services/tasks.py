"""The owner of side tasks: each is named, and the death of one is heard."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from server.errors import DatabaseUnavailableError, StartupError

CANCEL_AGAIN_SECONDS = 0.1

logger = logging.getLogger(__name__)


class Tasks:
    """Named tasks, of two kinds.

    One of the service that dies of an exception ends the service: `failed` is set then, as there
    shall be no half-dead server. One of a single run (or viewer, or row) takes that one alone
    with it.
    """

    def __init__(self) -> None:
        self.failed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        """Run `work` as a task of this name."""
        task = self._start(work, name)
        task.add_done_callback(self._done)
        return task

    def start_for_run(
        self, work: Coroutine[Any, Any, Any], name: str, on_fault: Callable[[BaseException], None]
    ) -> "asyncio.Task[Any]":
        """Run what is done for one run as a task; `on_fault` is told of what it dies of."""
        task = self._start(work, name)
        task.add_done_callback(partial(_tell, on_fault))
        return task

    async def cancel(self) -> None:
        """Cancel every task and wait until all have ended."""
        await asyncio.gather(*map(end, self._tasks))

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("the task %r died", task.get_name(), exc_info=error)
            self.failed.set()


def _tell(on_fault: Callable[[BaseException], None], task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        on_fault(error)


async def forever(step: Callable[[], Awaitable[object]], *, seconds: float, name: str) -> None:
    """Take a step of the service again and again, with pauses; its owner cancels it.

    What passes by itself (the database is away, no descriptor is left, the disk is full) is told
    once, until it is something else or a step comes through; the loop goes on.
    """
    told = None
    while True:
        try:
            await step()
        except (DatabaseUnavailableError, StartupError, OSError) as error:
            if str(error) != told:
                told = str(error)
                logger.warning("%s failed, and is tried again: %s", name, told)
        else:
            told = None
        await asyncio.sleep(seconds)


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has ended, however it ends.

    It is cancelled again and again: asyncio.wait_for of Python 3.11, which aiopg uses, loses a
    cancellation that comes together with its result
    (https://github.com/python/cpython/issues/86296).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # asyncio shall not call it one that nobody retrieved
